"""The site for a WSGI server; `serving.py` gives it to waitress."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kerasqueeze.deploy.web.settings")
application = get_wsgi_application()
