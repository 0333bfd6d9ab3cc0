"""Settings of a whole proxy: a YAML file, environment variables and options become one checked ``Config``.

The settings themselves live beside the code that uses them; here they are only read, and every mistake is named at once.
"""

from streamgauge.config.load import Loaded, load, read
from streamgauge.config.settings import Config

__all__ = ["Config", "Loaded", "load", "read"]
