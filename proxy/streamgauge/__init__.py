"""streamgauge: a transparent measuring reverse proxy for LLM traffic on Amazon Bedrock and SageMaker."""

__version__ = "0.1.0"
