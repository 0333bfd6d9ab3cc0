"""Every way a request is addressed leads to one allowed upstream, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.authorization import Authorization
from streamgauge.errors import TargetNotAllowed, UsageError
from streamgauge.records import Operation
from streamgauge.routing import Routes, shipped_table
from streamgauge.targets import MAX_AUTHORITY_CHARS, PLACES_KEPT, Target, Targets, TargetSettings

TABLE = shipped_table()
ROUTES = Routes(TABLE)
CONVERSE = "/model/us.amazon.nova-lite-v1%3A0/converse"
AWS = "bedrock-runtime.us-east-1.amazonaws.com"
OURS = "127.0.0.1:8787"
LOCAL = {"bedrock-runtime": "http://127.0.0.1:9000"}


def scope(region: str = "eu-west-1", service: str = "bedrock") -> Authorization:
    return Authorization("sigv4", "AKIDEXAMPLE", "20150830", region, service, ("host", "x-amz-date"))


def resolve(
    raw_target: str, host: str | None = OURS, authorization: Authorization | None = None, settings: TargetSettings | None = None
) -> Target:
    return Targets(settings or TargetSettings(), TABLE).resolve(raw_target, host, authorization, ROUTES.match("POST", raw_target))


def where(target: Target) -> str:
    return f"{target.scheme}://{target.host}:{target.port}"


def refused(*args: object, match: str, **kwargs: object) -> None:
    with pytest.raises(TargetNotAllowed, match=match):
        resolve(*args, **kwargs)  # type: ignore[arg-type] # passed on as it comes


# base-URL form


@pytest.mark.parametrize(
    ("path", "region", "signing", "host", "service"),
    [
        (CONVERSE, "eu-west-1", "bedrock", "bedrock-runtime.eu-west-1.amazonaws.com", "bedrock-runtime"),
        (CONVERSE, "cn-north-1", "bedrock", "bedrock-runtime.cn-north-1.amazonaws.com.cn", "bedrock-runtime"),
        (CONVERSE, "us-gov-west-1", "bedrock", "bedrock-runtime.us-gov-west-1.amazonaws.com", "bedrock-runtime"),
        (CONVERSE, "us-iso-east-1", "bedrock", "bedrock-runtime.us-iso-east-1.c2s.ic.gov", "bedrock-runtime"),
        (CONVERSE, "eusc-de-east-1", "bedrock", "bedrock-runtime.eusc-de-east-1.amazonaws.eu", "bedrock-runtime"),
        (CONVERSE, "xx-new-1", "bedrock", "bedrock-runtime.xx-new-1.amazonaws.com", "bedrock-runtime"),
        ("/endpoints/llama/invocations", "us-east-1", "sagemaker", "runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime"),
        ("/rerank", "us-east-1", "bedrock", "bedrock-agent-runtime.us-east-1.amazonaws.com", "bedrock-agent-runtime"),
        ("/v1/chat/completions", "us-east-1", "bedrock-mantle", "bedrock-mantle.us-east-1.api.aws", "bedrock-mantle"),
        ("/openai/v1/chat/completions", "us-east-1", "bedrock", AWS, "bedrock-runtime"),
        ("/unheard-of", "us-east-1", "sagemaker", "runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime"),
        ("/t/rerank", "us-east-1", "sagemaker", "runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime"),
    ],
)
def test_a_base_url_call_goes_to_the_service_and_region_it_was_signed_for(
    path: str, region: str, signing: str, host: str, service: str
) -> None:
    target = resolve(path, OURS, scope(region, signing))
    assert (where(target), target.service, target.region, target.form) == (f"https://{host}:443", service, region, "base_url")
    assert (target.host_header, target.origin_path, target.rewritten) == (host.encode(), path.encode(), True)
    assert target.signing_name == signing


def test_a_short_term_key_tells_the_region_and_the_path_tells_the_service() -> None:
    key = Authorization("bearer", "ASIAEXAMPLE", "20250101", "eu-west-1", "bedrock")
    settings = TargetSettings(default_service="bedrock-mantle")
    assert resolve("/v1/chat/completions", OURS, key, settings).host == "bedrock-mantle.eu-west-1.api.aws"
    assert resolve(CONVERSE, OURS, key, settings).host == "bedrock-runtime.eu-west-1.amazonaws.com"


def test_a_request_that_names_no_region_goes_to_the_default_one_or_nowhere() -> None:
    assert resolve(CONVERSE, OURS, None, TargetSettings(default_region="us-east-1")).host == AWS
    refused(CONVERSE, OURS, None, match="set targets.default_region")


@pytest.mark.parametrize("region", ["evil.com#", "us-east-1.evil.com", "", "US-EAST-1", "us-east-1/", "us-east-1@evil", "a" * 300])
def test_a_region_that_is_none_cannot_lead_elsewhere(region: str) -> None:
    refused(CONVERSE, OURS, scope(region), match="not the name of an AWS region")


def test_a_service_that_is_not_relayed_is_named() -> None:
    refused(CONVERSE, OURS, scope("us-east-1", "s3"), match="service 's3', which is not relayed")


def test_only_listed_regions_are_reached_when_regions_are_listed() -> None:
    settings = TargetSettings(regions=("us-east-1",))
    assert resolve(CONVERSE, OURS, scope("us-east-1"), settings).host == AWS
    refused(CONVERSE, OURS, scope("eu-west-1"), settings, match="add eu-west-1 to targets.regions")
    refused(f"http://bedrock-runtime.eu-west-1.amazonaws.com{CONVERSE}", "", None, settings, match="add eu-west-1 to targets.regions")


# upstream overrides


def test_an_override_replaces_the_services_host() -> None:
    target = resolve(CONVERSE, OURS, scope(), TargetSettings(upstreams=LOCAL))
    assert (where(target), target.host_header, target.region) == ("http://127.0.0.1:9000", b"127.0.0.1:9000", "eu-west-1")


def test_an_override_needs_no_region_unless_its_address_has_one() -> None:
    assert resolve(CONVERSE, OURS, None, TargetSettings(upstreams=LOCAL)).region is None
    fips = TargetSettings(upstreams={"bedrock-runtime": "https://bedrock-runtime-fips.{region}.amazonaws.com"}, regions=("us-east-1",))
    assert resolve(CONVERSE, OURS, scope("us-east-1"), fips).host == "bedrock-runtime-fips.us-east-1.amazonaws.com"
    refused(CONVERSE, OURS, None, fips, match="set targets.default_region")
    refused(CONVERSE, OURS, scope("eu-west-1"), fips, match="add eu-west-1 to targets.regions")


def test_the_path_of_an_override_goes_before_the_requests_own() -> None:
    settings = TargetSettings(upstreams={"bedrock-runtime": "https://gateway.internal/bedrock/"})
    target = resolve(CONVERSE + "?x=1", "gateway.internal", scope(), settings)
    assert (target.origin_path, target.rewritten) == (f"/bedrock{CONVERSE}?x=1".encode(), True)


def test_an_override_on_the_address_the_caller_used_leaves_his_signature_whole() -> None:
    assert resolve(CONVERSE, "127.0.0.1:9000", scope(), TargetSettings(upstreams=LOCAL)).rewritten is False


def test_a_forward_call_with_an_override_keeps_the_true_host_it_was_signed_for() -> None:
    target = resolve(f"http://{AWS}{CONVERSE}", AWS, scope("us-east-1"), TargetSettings(upstreams=LOCAL))
    assert (where(target), target.host_header, target.rewritten, target.form) == ("http://127.0.0.1:9000", AWS.encode(), False, "forward")


# forward and host form


@pytest.mark.parametrize(
    ("host", "service", "region"),
    [
        (AWS, "bedrock-runtime", "us-east-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "bedrock-runtime", "us-gov-west-1"),
        ("bedrock-runtime.eu-central-1.api.aws", "bedrock-runtime", "eu-central-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "bedrock-runtime", "cn-north-1"),
        ("vpce-0a1b2c3d-xyz.bedrock-runtime.us-east-1.vpce.amazonaws.com", "bedrock-runtime", "us-east-1"),
        ("runtime.sagemaker.ap-south-1.amazonaws.com", "sagemaker-runtime", "ap-south-1"),
        ("runtime-fips.sagemaker.us-east-2.amazonaws.com", "sagemaker-runtime", "us-east-2"),
        ("bedrock-mantle.us-east-1.api.aws", "bedrock-mantle", "us-east-1"),
        ("bedrock-agent-runtime.us-east-1.amazonaws.com", "bedrock-agent-runtime", "us-east-1"),
    ],
)
@pytest.mark.parametrize(("lead", "form"), [("http://{}", "forward"), ("https://{}", "forward"), ("", "host")])
def test_a_named_aws_host_is_reached_over_tls_with_the_signature_kept(host: str, service: str, region: str, lead: str, form: str) -> None:
    target = resolve(lead.format(host) + "/some/path?q", host)
    assert (where(target), target.service, target.region, target.form) == (f"https://{host}:443", service, region, form)
    assert (target.origin_path, target.host_header, target.rewritten) == (b"/some/path?q", host.encode(), False)


def test_host_is_sent_as_the_caller_spelled_it_since_that_is_what_he_signed() -> None:
    target = resolve(f"http://{AWS.upper()}:80/", AWS.upper())
    assert (target.host, target.host_header, target.rewritten) == (AWS, AWS.upper().encode(), False)


def test_the_absolute_target_decides_where_host_says_otherwise() -> None:
    target = resolve(f"http://{AWS}/", "elsewhere.example")
    assert (target.host, target.host_header, target.rewritten) == (AWS, AWS.encode(), True)
    assert resolve(f"http://{AWS}", None).origin_path == b"/"
    assert resolve(f"http://{AWS}?a=1", None).origin_path == b"/?a=1"


def test_our_own_port_behind_an_aws_name_does_not_reach_aws() -> None:
    target = resolve(CONVERSE, f"{AWS}:8787")
    assert (where(target), target.host_header, target.rewritten) == (f"https://{AWS}:443", AWS.encode(), True)


# refusals


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:8788/",
        "http://evil.example/model/m/converse",
        f"http://{AWS}.evil.example/",
        f"http://evil.example/{AWS}/",
        "http://bedrock-runtime.us-east-1.evil.com/",
        "http://bedrock-runtime.amazonaws.com/",
        "http://s3.us-east-1.amazonaws.com/",
        "http://x.bedrock-runtime.us-east-1.amazonaws.com/",
        "http:///path",
    ],
)
def test_a_host_outside_the_allow_list_is_refused(target: str) -> None:
    refused(target, AWS, match="is not relayed: name an AWS runtime host")


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (f"http://{AWS}:8080/", "port 8080"),
        (f"http://user@{AWS}/", "not a host"),
        (f"http://{AWS}\\@evil.example/", "not a host"),
        ("ftp://host/", "neither a path nor an http URL"),
        ("*", "neither a path nor an http URL"),
        (f"{AWS}:443", "neither a path nor an http URL"),
        ("", "neither a path nor an http URL"),
        ("http://" + "a" * (MAX_AUTHORITY_CHARS + 1), "more than 300 characters"),
    ],
)
def test_a_target_that_is_no_address_is_refused(target: str, match: str) -> None:
    refused(target, AWS, match=match)


def test_a_refusal_names_the_host_and_the_fix_on_one_line() -> None:
    with pytest.raises(TargetNotAllowed) as caught:
        resolve("http://evil.example\x1b/")
    assert str(caught.value) == (
        "host 'evil.example\\x1b' is not relayed: name an AWS runtime host of an allowed region, or add the host to targets.extra_hosts"
    )


@given(st.text(max_size=80), st.none() | st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_asked_only_allowed_places_are_reached(raw_target: str, host: str | None, region: str, signing: str) -> None:
    targets = Targets(TargetSettings(default_region="us-east-1"), TABLE)
    try:
        target = targets.resolve(raw_target, host, scope(region, signing), Operation("unknown", "opaque", "opaque"))
    except TargetNotAllowed:
        return
    assert targets._aws.read(target.host)
    assert (target.scheme, target.port) == ("https", 443)


# extra hosts


@pytest.mark.parametrize(
    ("extra", "raw_target", "host", "reached"),
    [
        ("llm.internal", "http://llm.internal/v1/x", "llm.internal", "http://llm.internal:80"),
        ("llm.internal", "https://llm.internal/v1/x", "llm.internal", "https://llm.internal:443"),
        ("llm.internal", "http://llm.internal:8000/v1/x", "llm.internal:8000", "http://llm.internal:8000"),
        ("llm.internal:8000", "http://llm.internal:8000/v1/x", "llm.internal:8000", "http://llm.internal:8000"),
        ("https://llm.internal:8443", "http://llm.internal/v1/x", "llm.internal", "https://llm.internal:8443"),
        ("llm.internal", "/v1/x", "llm.internal", "http://llm.internal:80"),
    ],
)
def test_an_extra_host_is_reached_as_it_is_configured_or_as_the_caller_says(extra: str, raw_target: str, host: str, reached: str) -> None:
    settings = TargetSettings(extra_hosts=(extra,), default_region="us-east-1")
    target = resolve(raw_target, host, None, settings)
    assert (where(target), target.host_header, target.rewritten) == (reached, host.encode(), False)


@pytest.mark.parametrize("extra", ["llm.internal", "llm.internal:80", "https://llm.internal"])
def test_the_proxys_role_is_for_aws_and_configured_upstreams_and_never_for_an_extra_host(extra: str) -> None:
    settings = TargetSettings(extra_hosts=(extra,), upstreams={"bedrock-mantle": "http://gateway.internal"}, default_region="us-east-1")
    named = "llm.internal:80" if extra.endswith(":80") else "llm.internal"
    for raw_target in ("/v1/x", f"http://{named}/v1/x"):
        assert resolve(raw_target, named, scope(), settings).role_allowed is False
    for raw_target, host in [(CONVERSE, OURS), ("/v1/chat/completions", OURS), (CONVERSE, AWS), (f"http://{AWS}/", AWS)]:
        assert resolve(raw_target, host, None, settings).role_allowed is True


def test_another_port_of_an_extra_host_with_a_port_is_not_allowed() -> None:
    refused("http://llm.internal:22/", "llm.internal:22", None, TargetSettings(extra_hosts=("llm.internal:8000",)), match="not relayed")


# names that are ours: only what is addressed to them may be signed with the proxy's role


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1:8787",
            "10.1.2.3",
            "[::1]:8787",
            "[2001:db8::1]",
            "localhost:8787",
            "LOCALHOST",
            "gauge.localhost",
            "streamgauge:8787",
            "",
        ),
        *(
            "gauge.local",
            "host.docker.internal:8787",
            "ip-10-0-0-1.eu-west-1.compute.internal",
            "gauge.llm.svc",
            "gauge.llm.svc.cluster.local.",
        ),
    ],
)
def test_an_address_and_a_name_that_no_public_name_server_answers_for_are_ours(host: str) -> None:
    assert resolve(CONVERSE, host, scope()).ours is True


@pytest.mark.parametrize(
    "host",
    ["evil.example:8787", "127.0.0.1.evil.example", "local.evil.example", "evillocal.com", "notsvc.co", "a.localhost.evil.example", "1.2"],
)
def test_a_name_that_anybody_may_have_registered_is_not_ours(host: str) -> None:
    target = resolve(CONVERSE, host, scope())
    assert (target.ours, target.form) == (False, "base_url")


@pytest.mark.parametrize(
    ("entry", "host", "ours"),
    [
        ("llm.corp.example", "LLM.corp.example:8787", True),
        ("LLM.corp.example.", "llm.corp.example", True),
        ("llm.corp.example", "x.llm.corp.example", False),
        ("*.corp.example", "a.b.corp.example:80", True),
        ("*.corp.example", "corp.example", False),
        ("*.corp.example", "evilcorp.example", False),
    ],
)
def test_a_name_is_ours_if_the_settings_say_so_with_all_below_it_only_where_they_say_that_too(entry: str, host: str, ours: bool) -> None:
    assert resolve(CONVERSE, host, scope(), TargetSettings(own_hosts=(entry,))).ours is ours


def test_an_aws_host_and_a_configured_upstream_cannot_be_somebody_elses_name() -> None:
    assert resolve(CONVERSE, AWS).ours is True
    assert resolve(f"http://{AWS}/", AWS).ours is True
    assert resolve(CONVERSE, "gw.example", scope(), TargetSettings(upstreams={"bedrock-runtime": "https://gw.example"})).ours is True


# settings and bounds


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            TargetSettings(upstreams={"bedrock": "http://x"}),
            r"targets\.upstreams\.bedrock: unknown service 'bedrock'; did you mean bedrock-",
        ),
        (TargetSettings(upstreams={"bedrock-runtime": "x"}), r"targets\.upstreams\.bedrock-runtime: 'x' is not a URL"),
        (TargetSettings(default_service="zzz"), "targets.default_service: unknown service 'zzz'; did you mean"),
        (TargetSettings(regions=("us-east",)), "targets.regions: 'us-east' is not the name"),
        (TargetSettings(default_region="europe"), "targets.default_region: 'europe' is not the name"),
        (TargetSettings(extra_hosts=("user:hun/ter2@host",)), r"targets.extra_hosts: '\*\*\*@host' is not"),
        (TargetSettings(extra_hosts=("host", "")), "targets.extra_hosts: '' names no host; is there a comma too many"),
        (TargetSettings(extra_hosts=(":6379",)), "targets.extra_hosts: ':6379' names no host"),
        (
            TargetSettings(upstreams={"https://user:hunter2@gw": ""}),
            r"targets\.upstreams\.https://\*\*\*@gw: unknown service 'https://\*\*\*@gw'",
        ),
        (TargetSettings(extra_hosts=("ftp://host",)), "targets.extra_hosts: 'ftp://host'"),
        *(
            (TargetSettings(own_hosts=(name,)), "targets.own_hosts: .* is not a host name")
            for name in ("http://x", "x:8787", "", "*", "*.", "a*.b")
        ),
    ],
)
def test_settings_that_cannot_work_are_named_with_their_key(settings: TargetSettings, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Targets(settings, TABLE)


def test_what_is_remembered_has_an_upper_bound() -> None:
    targets = Targets(TargetSettings(default_region="us-east-1"), TABLE)
    for number in range(PLACES_KEPT + 10):
        targets.resolve("/", f"host-{number}", None, ROUTES.match("POST", "/"))
    assert len(targets._places) == 10


def test_bytes_of_a_target_are_sent_as_they_came() -> None:
    targets = Targets(TargetSettings(default_region="us-east-1"), TABLE)
    raw = b"/model/caf\xe9%2f\xc3\xa9/converse?a=\xff"
    assert targets.resolve(raw, OURS.encode(), None, ROUTES.match("POST", raw)).origin_path == raw


@pytest.mark.parametrize(
    ("settings", "raw_target", "host"),
    [
        (TargetSettings(extra_hosts=("localhost",)), "http://localhost:8787/x", "localhost:8787"),
        (TargetSettings(extra_hosts=("localhost",)), "/x", "localhost:8788"),
        (TargetSettings(extra_hosts=("http://127.0.0.1:8787",)), "/x", "127.0.0.1"),
        (TargetSettings(upstreams={"bedrock-runtime": "http://127.0.0.1:8787"}, default_region="us-east-1"), CONVERSE, OURS),
    ],
)
def test_what_is_allowed_and_leads_back_to_us_is_refused(settings: TargetSettings, raw_target: str, host: str) -> None:
    targets = Targets(settings, TABLE, ["127.0.0.1:8787", "127.0.0.1:8788"])
    with pytest.raises(TargetNotAllowed, match=r"^(localhost|127\.0\.0\.1):878[78] is this proxy itself: name the provider's address"):
        targets.resolve(raw_target, host, None, ROUTES.match("POST", raw_target))


def test_what_is_addressed_to_a_listener_with_an_upstream_of_its_own_goes_there_whatever_its_service() -> None:
    settings = TargetSettings(upstreams=LOCAL, by_listener={"127.0.0.2": "https://gateway.example/base"})
    for path in (CONVERSE, "/endpoints/llama/invocations", "/unheard-of"):
        target = resolve(path, "127.0.0.2:4711", scope(), settings)
        assert (where(target), target.origin_path) == ("https://gateway.example:443", f"/base{path}".encode())
        assert (target.ours, target.region) == (True, "eu-west-1")
    assert where(resolve(CONVERSE, OURS, scope(), settings)) == LOCAL["bedrock-runtime"]


def test_the_region_of_a_call_that_names_none_is_that_of_the_aws_host_it_is_led_to() -> None:
    settings = TargetSettings(by_listener={"127.0.0.2": f"https://{AWS}"})
    assert resolve(CONVERSE, "127.0.0.2:4711", None, settings).region == "us-east-1"
