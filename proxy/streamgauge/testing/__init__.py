"""A scripted upstream: a small real server in Bedrock, SageMaker, OpenAI and Anthropic shapes, for tests and for ``streamgauge demo``.

with ScriptedUpstream(Script(text="Hello there.", ttft=0.2)) as upstream:
    client = boto3.client("bedrock-runtime", endpoint_url=upstream.url, ...)
"""

from streamgauge.testing.received import Received, SendLog
from streamgauge.testing.script import Frame, Script
from streamgauge.testing.server import Reply
from streamgauge.testing.upstream import ScriptedUpstream
from streamgauge.testing.wire import Gone, Wire

__all__ = ["Frame", "Gone", "Received", "Reply", "Script", "ScriptedUpstream", "SendLog", "Wire"]
