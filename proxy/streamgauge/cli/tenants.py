"""``streamgauge tenants``: credentials that the proxy issues."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamgauge.errors import UsageError

if TYPE_CHECKING:
    from streamgauge.tenancy.issued import Credential, CredentialKind, TenantFile
    from streamgauge.tenant_files import TenantStore

Kind = Literal["key-pair", "token"]

File = Annotated[
    Path | None,
    typer.Option("--file", help="The tenants' file. Default $STREAMGAUGE_TENANTS__FILE or tenants.json beside the default ledger."),
]
Secrets = Annotated[
    Path | None,
    typer.Option(
        "--secrets-file", help="The secrets of key pairs, mode 0600. Default $STREAMGAUGE_TENANTS__SECRETS_FILE or beside the file."
    ),
]


def add(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="Its name, as reports will show it.")],
    kind: Annotated[
        Kind, typer.Option(help="key-pair: for SDKs that sign as for AWS. token: for those that send a bearer key.")
    ] = "key-pair",
    team: Annotated[str | None, typer.Option(help="Its team, where the mapping file says none.")] = None,
    app: Annotated[str | None, typer.Option(help="Its application, if it is one.")] = None,
    cost_centre: Annotated[str | None, typer.Option(help="Its cost centre, where the mapping file says none.")] = None,
    role_arn: Annotated[str | None, typer.Option(help="A role that its calls are signed with; the proxy's own role assumes it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A session tag for that role. Repeatable.")] = None,
    max_in_flight: Annotated[int | None, typer.Option(min=1, help="Requests under way at a time, in each worker.")] = None,
    max_per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute, in each worker.")] = None,
    file: File = None,
    secrets_file: Secrets = None,
) -> None:
    """Add a tenant and issue its first credential; its secret is printed once, and nowhere else. Of a tenant that is there: a credential of a kind that it has none of.

    Example: streamgauge tenants add team-a --team search
    """
    from streamgauge.tenancy import issued

    entry = issued.TenantEntry(
        name, team, app, cost_centre, role_arn, _tags(tag or []), max_in_flight=max_in_flight, max_per_minute=max_per_minute
    )
    store = _store(file, secrets_file)
    with store.locked():
        before = store.read()
        known = before.tenant(name)
        in_use = any(one.valid(_now()) for one in issued.of(before, name, _kind(kind)))
        if known is not None and entry == issued.TenantEntry(name) and not in_use:
            after = before
        else:
            after = issued.add(before, entry)
        credential, secret = _new(name, _kind(kind))
        _keep(store, issued.issue(after, credential), credential, secret)
    print(_told(credential, secret, store))


def rotate(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="Whose credential is replaced.")],
    kind: Annotated[Kind, typer.Option(help="Which of its credentials.")] = "key-pair",
    overlap: Annotated[
        str, typer.Option(help="How long the credential in use stays valid beside the new one: 90m, 24h, 7d, or 0s.")
    ] = "24h",
    file: File = None,
    secrets_file: Secrets = None,
) -> None:
    """Issue a new credential; the one in use stays valid for a while, so that callers can change over one by one.

    Example: streamgauge tenants rotate team-a --overlap 7d
    """
    from streamgauge.tenancy import issued

    until = datetime.now(UTC) + _length(overlap)
    store = _store(file, secrets_file)
    with store.locked():
        credential, secret = _new(name, _kind(kind))
        _keep(store, issued.rotate(store.read(), credential, _moment(until)), credential, secret)
    print(_told(credential, secret, store))
    print(f"What was valid before ends {_moment(until)}.")


def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|TENANT", help="One credential, or all of a tenant.")],
    file: File = None,
    secrets_file: Secrets = None,
) -> None:
    """End a credential at once. A running proxy knows within two seconds.

    Example: streamgauge tenants revoke SGAKXXXXXXXXXXXXXXXX
    """
    from streamgauge.tenancy import issued

    store = _store(file, secrets_file)
    with store.locked():
        after, ids = issued.revoke(store.read(), which, _now())
        store.write(after)
        store.forget_secrets(ids)
    print(f"revoked: {', '.join(ids)}")


def show(
    format_: Annotated[Literal["table", "json"], typer.Option("--format", help="table or json.")] = "table",
    file: File = None,
    secrets_file: Secrets = None,
) -> None:
    """List tenants and their credentials; no secrets.

    Example: streamgauge tenants list
    """
    import json

    store = _store(file, secrets_file)
    if not store.file.exists():
        raise UsageError(f"{store.file} is not there: `streamgauge tenants add TENANT` makes it, --file names another")
    rows = _rows(store.read())
    if format_ == "json":
        print(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    columns = ("tenant", "team", "app", "cost_centre", "kind", "id", "created", "state")
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(row[name] or "-") for name in columns))
    console = Console()
    console.print(table) if console.is_terminal else Console(width=240).print(table)


def _rows(file: TenantFile) -> list[dict[str, str | None]]:
    now, rows = _now(), []
    for entry in file.tenants:
        who = {"tenant": entry.name, "team": entry.team, "app": entry.app, "cost_centre": entry.cost_centre}
        own = [one for one in file.credentials if one.tenant == entry.name]
        rows += [{**who, "kind": one.kind, "id": one.id, "created": one.created, "state": one.state(now)} for one in own]
        if not own:
            rows.append({**who, "kind": None, "id": None, "created": None, "state": "no credential"})
    return rows


def _store(file: Path | None, secrets_file: Path | None) -> TenantStore:
    from streamgauge.sinks.ledger_read import default_ledger_path
    from streamgauge.tenant_files import TenantStore

    chosen = file or Path(os.environ.get("STREAMGAUGE_TENANTS__FILE") or default_ledger_path().parent / "tenants.json")
    beside = chosen.with_name(f"{chosen.stem}-secrets.json")
    return TenantStore(chosen, secrets_file or Path(os.environ.get("STREAMGAUGE_TENANTS__SECRETS_FILE") or beside))


def _new(tenant: str, kind: CredentialKind) -> tuple[Credential, str]:
    from streamgauge.tenancy.issued import Credential
    from streamgauge.tenant_files import new_key_pair, new_token

    if kind == "token":
        token_id, token, sha256 = new_token()
        return Credential(token_id, tenant, kind, _now(), sha256=sha256), token
    key_id, secret = new_key_pair()
    return Credential(key_id, tenant, kind, _now()), secret


def _keep(store: TenantStore, file: TenantFile, credential: Credential, secret: str) -> None:
    """The secret first: a key without its secret would be refused as if it were wrong."""
    if credential.kind == "key_pair":
        store.keep_secret(credential.id, secret)
    store.write(file)


def _told(credential: Credential, secret: str, store: TenantStore) -> str:
    if credential.kind == "token":
        what = [
            f"Token of {credential.tenant} (id {credential.id}), shown only now:",
            "",
            f"  {secret}",
            "",
            "For SDKs that send a bearer key: OPENAI_API_KEY, or api_key of openai and AnthropicBedrock, or AWS_BEARER_TOKEN_BEDROCK over https.",
        ]
    else:
        what = [
            f"Key pair of {credential.tenant}, its secret shown only now:",
            "",
            f"  export AWS_ACCESS_KEY_ID={credential.id}",
            f"  export AWS_SECRET_ACCESS_KEY={secret}",
            "  unset AWS_SESSION_TOKEN",
            "",
            "Where the application runs, beside the proxy's address as endpoint.",
        ]
    settings = ["", "The proxy's settings need:", "", "  tenants:", f"    file: {store.file}", f"    secrets_file: {store.secrets_file}"]
    return "\n".join(what + settings)


def _kind(kind: Kind) -> CredentialKind:
    return "token" if kind == "token" else "key_pair"


def _tags(pairs: list[str]) -> dict[str, str]:
    tags = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not key or not found or not value or len(key) > 128 or len(value) > 256:
            raise UsageError(f"--tag {pair[:80]}: expected KEY=VALUE, such as project=chat")
        tags[key] = value
    return tags


def _length(text: str) -> timedelta:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or len(number) > 6:
        raise UsageError(f"--overlap {text[:20]}: expected a length of time, such as 90m, 24h or 7d")
    return timedelta(seconds=int(number) * units[unit])


def _now() -> str:
    return _moment(datetime.now(UTC))


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
