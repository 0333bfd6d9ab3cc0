"""Which applications there are: the SDKs people call Bedrock and SageMaker with, and what each is told about addresses and credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Credential = Literal["sigv4", "key"]
Interpreter = Literal["ours", "agents", "aiobotocore", "node"]

KEY, SECRET = "AKIDAPPLICATION", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYAPPLICATION"
BEARER = "bedrock-long-term-key"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"

SIGV4 = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
AWS_KEY = {"AWS_BEARER_TOKEN_BEDROCK": BEARER}


@dataclass(frozen=True)
class Service:
    """A service's own host, and the name that rows have for it."""

    host: str
    name: str


RUNTIME = Service("bedrock-runtime.us-east-1.amazonaws.com", "bedrock-runtime")
MANTLE = Service("bedrock-mantle.us-east-1.api.aws", "bedrock-mantle")
ENDPOINTS = Service("runtime.sagemaker.us-east-1.amazonaws.com", "sagemaker-runtime")


@dataclass(frozen=True)
class Caller:
    """An SDK and one of its ways to call. ``key`` is the environment that holds an API key, where there is such a way.

    ``variable`` takes the base URL, ``path`` behind it; ``operations`` are the rows' names of the whole and of the streamed call.
    """

    title: str
    packages: tuple[str, ...]
    runs_on: Interpreter
    service: Service
    variable: str
    operations: tuple[str, str]
    path: str = ""
    sigv4: bool = True
    key: dict[str, str] | None = None
    model: str = MODEL
    code: str | None = None
    """What the application's code must say besides; ``None`` = nothing."""
    insists_on_tls: bool = False
    """Whether it refuses to send a key over plain HTTP."""
    refuses_aws_over_http: bool = False
    """Whether it refuses ``http://`` for a host of AWS."""
    takes_a_proxy: bool = True
    """Whether it looks at the proxy variables at all; if not, it would call the true host past the proxy, which no test does."""
    always_tunnels: bool = False
    """Whether it asks a proxy for a tunnel also where none is needed."""

    def credentials(self) -> dict[Credential, dict[str, str]]:
        """The ways it can prove who it is, with the environment of each."""
        ways: dict[Credential, dict[str, str]] = {"sigv4": SIGV4} if self.sigv4 else {}
        return ways | ({"key": self.key} if self.key else {})


CONVERSE = ("Converse", "ConverseStream")
INVOKE = ("InvokeModel", "InvokeModelWithResponseStream")
INVOKE_ENDPOINT = ("InvokeEndpoint", "InvokeEndpointWithResponseStream")
MESSAGES = ("Messages", "Messages")
CHAT = ("ChatCompletions", "ChatCompletions")
RUNTIME_URL, SAGEMAKER_URL = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"
ANTHROPIC = ("anthropic",)
OPENAI = ("openai",)
OPENAI_KEY = {"OPENAI_API_KEY": BEARER}
OPENAI_PATH = "/openai/v1"

CALLERS = {
    "boto3 Converse": Caller("boto3", ("boto3",), "ours", RUNTIME, RUNTIME_URL, CONVERSE, key=AWS_KEY, insists_on_tls=True),
    "boto3 InvokeModel": Caller("boto3", ("boto3",), "ours", RUNTIME, RUNTIME_URL, INVOKE, key=AWS_KEY, insists_on_tls=True),
    "boto3 InvokeEndpoint": Caller("boto3", ("boto3",), "ours", ENDPOINTS, SAGEMAKER_URL, INVOKE_ENDPOINT, model="llama"),
    "aiobotocore Converse": Caller("aiobotocore", ("aiobotocore", "botocore"), "aiobotocore", RUNTIME, RUNTIME_URL, CONVERSE, key=AWS_KEY),
    "anthropic AnthropicBedrock": Caller(
        "anthropic.AnthropicBedrock", ANTHROPIC, "ours", RUNTIME, "ANTHROPIC_BEDROCK_BASE_URL", INVOKE, key=AWS_KEY
    ),
    "anthropic AnthropicBedrockMantle": Caller(
        "anthropic.AnthropicBedrockMantle",
        ANTHROPIC,
        "ours",
        MANTLE,
        "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
        MESSAGES,
        path="/anthropic",
        key=AWS_KEY,
    ),
    "anthropic Anthropic": Caller(
        "anthropic.Anthropic",
        ANTHROPIC,
        "ours",
        MANTLE,
        "ANTHROPIC_BASE_URL",
        MESSAGES,
        path="/anthropic",
        sigv4=False,
        key={"ANTHROPIC_API_KEY": BEARER},
    ),
    "openai chat": Caller(
        "openai.OpenAI", OPENAI, "ours", RUNTIME, "OPENAI_BASE_URL", CHAT, OPENAI_PATH, sigv4=False, key=OPENAI_KEY, model=GPT_OSS
    ),
    "openai Responses": Caller(
        "openai.OpenAI",
        OPENAI,
        "ours",
        RUNTIME,
        "OPENAI_BASE_URL",
        ("Responses", "Responses"),
        OPENAI_PATH,
        sigv4=False,
        key=OPENAI_KEY,
        model=GPT_OSS,
    ),
    "openai BedrockOpenAI": Caller(
        "openai.BedrockOpenAI",
        OPENAI,
        "ours",
        RUNTIME,
        "AWS_BEDROCK_BASE_URL",
        CHAT,
        OPENAI_PATH,
        key=AWS_KEY,
        model=GPT_OSS,
        refuses_aws_over_http=True,
    ),
    "langchain-aws ChatBedrockConverse": Caller(
        "langchain_aws.ChatBedrockConverse",
        ("langchain-aws", "boto3"),
        "agents",
        RUNTIME,
        RUNTIME_URL,
        CONVERSE,
        key=AWS_KEY,
        insists_on_tls=True,
    ),
    "strands-agents Agent": Caller(
        "strands.models.BedrockModel",
        ("strands-agents", "boto3"),
        "agents",
        RUNTIME,
        RUNTIME_URL,
        CONVERSE,
        key=AWS_KEY,
        insists_on_tls=True,
    ),
    "litellm bedrock/converse": Caller(
        "LiteLLM, `bedrock/converse/...`", ("litellm",), "ours", RUNTIME, "AWS_BEDROCK_RUNTIME_ENDPOINT", CONVERSE, key=AWS_KEY
    ),
    "litellm bedrock/invoke": Caller(
        "LiteLLM, `bedrock/invoke/...`", ("litellm",), "ours", RUNTIME, "AWS_BEDROCK_RUNTIME_ENDPOINT", INVOKE, key=AWS_KEY
    ),
    "litellm openai": Caller(
        "LiteLLM, `openai/...`",
        ("litellm",),
        "ours",
        RUNTIME,
        "OPENAI_BASE_URL",
        CHAT,
        OPENAI_PATH,
        sigv4=False,
        key=OPENAI_KEY,
        model="gpt-oss",
    ),
    "litellm sagemaker_chat": Caller(
        "LiteLLM, `sagemaker_chat/...`",
        ("litellm",),
        "ours",
        ENDPOINTS,
        "SAGEMAKER_BASE_URL",
        INVOKE_ENDPOINT,
        model="llama",
        code="`sagemaker_base_url=` that variable and `/endpoints/NAME/invocations`, for a stream `/endpoints/NAME/invocations-response-stream`",
    ),
    "aws-sdk-js http1": Caller(
        "AWS SDK for JavaScript",
        ("@aws-sdk/client-bedrock-runtime", "@smithy/node-http-handler"),
        "node",
        RUNTIME,
        RUNTIME_URL,
        CONVERSE,
        key=AWS_KEY,
        code="`requestHandler: new NodeHttpHandler()`, for a proxy with agents: `httpAgent: new http.Agent({ proxyEnv: process.env })`, "
        "`httpsAgent: new https.Agent({ proxyEnv: process.env })`",
    ),
    "aws-sdk-js http2": Caller(
        "AWS SDK for JavaScript, its default handler",
        ("@aws-sdk/client-bedrock-runtime",),
        "node",
        RUNTIME,
        RUNTIME_URL,
        CONVERSE,
        takes_a_proxy=False,
    ),
    "ai-sdk": Caller("AI SDK", ("@ai-sdk/amazon-bedrock", "ai"), "node", RUNTIME, RUNTIME_URL, CONVERSE, key=AWS_KEY, always_tunnels=True),
}
"""By the name under which ``calls`` knows them: the SDK, and what of it is called."""
