"""``python -m services.cli`` is ``gateway``, whatever the PATH."""

import sys

from services.cli import main

sys.exit(main())
