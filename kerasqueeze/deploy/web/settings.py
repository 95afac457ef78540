"""The site's settings, as Django reads them; what a user chooses comes from the environment.

`kerasqueeze serve` puts its options there. With these variables set, Django's own commands work as well:

    KERASQUEEZE_WEB_DATA=DIR python -m django check --deploy --settings kerasqueeze.deploy.web.settings

    KERASQUEEZE_WEB_DATA       the data folder: database, photos, secret key; nothing is written elsewhere
    DATABASE_URL               another database than SQLite in the data folder
    KERASQUEEZE_WEB_HOSTS      names that the site answers to, with commas; default those of this machine alone
    KERASQUEEZE_WEB_PROXY      address of a proxy in front that speaks HTTPS; default none
    KERASQUEEZE_WEB_KEEP_DAYS  days that photos are kept; 0: until they are deleted
    KERASQUEEZE_WEB_THRESHOLD  probability below which the site says that it is not sure
    KERASQUEEZE_WEB_RATE       photos that one address may send in a minute; 0: any number
    KERASQUEEZE_WEB_QUEUE      photos that may be in work or wait at one time
    KERASQUEEZE_WEB_WORKERS    photos that are decoded at one time
    KERASQUEEZE_WEB_RESULTS    folder with the study's CSV/ and PNG/
"""

import os
from pathlib import Path

import dj_database_url

import kerasqueeze
from kerasqueeze.deploy.web.secret import secret_key
from kerasqueeze.files import expanded

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PACKAGE = Path(__file__).parent


def _number(name: str, default: float) -> float:
    return float(os.environ.get(f"KERASQUEEZE_WEB_{name}", default))


def _names(name: str) -> list[str]:
    return [part for part in os.environ.get(f"KERASQUEEZE_WEB_{name}", "").split(",") if part]


# What a user chooses

DATA = expanded(os.environ.get("KERASQUEEZE_WEB_DATA") or "~/.local/share/kerasqueeze/web").absolute()
PHOTOS = DATA / "photos"
RESULTS = Path(os.environ.get("KERASQUEEZE_WEB_RESULTS") or ".").absolute()
KEEP_DAYS = _number("KEEP_DAYS", 30)
THRESHOLD = _number("THRESHOLD", 0.5)
RATE = int(_number("RATE", 60))
QUEUE = int(_number("QUEUE", 32))
WORKERS = int(_number("WORKERS", 4))
PROXY = os.environ.get("KERASQUEEZE_WEB_PROXY", "")
VERSION = kerasqueeze.__version__

# Limits

MAX_UPLOAD = 10 * 2**20
"""Bytes of a request's photos together."""
MAX_REQUEST = MAX_UPLOAD + 2**16
"""The same with what multipart adds."""
MAX_PIXELS = 52_000_000
"""Pixels of a photo: today's telephones take 50 million. Decoding asks for 3 bytes for each, some times over."""
MAX_PHOTOS = min(16, QUEUE)
"""Photos in a request to the API."""
STORED_SIDE, THUMBNAIL_SIDE = 1024, 240
"""Longest sides of what is stored, in pixels."""
PAGE_SIZE = 24
"""Photos on a page of the history."""

# Django

SECRET_KEY = secret_key(DATA)
DEBUG = False
ALLOWED_HOSTS = [*LOOPBACK, *_names("HOSTS")]
ROOT_URLCONF = "kerasqueeze.deploy.web.urls"
WSGI_APPLICATION = "kerasqueeze.deploy.web.wsgi.application"
INSTALLED_APPS = ["django.contrib.messages", "django.contrib.staticfiles", "kerasqueeze.deploy.web"]
MIDDLEWARE = [
    "kerasqueeze.deploy.web.middleware.headers.Headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kerasqueeze.deploy.web.middleware.limits.Limits",  # before anything reads the body, as CSRF's does
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.messages.context_processors.messages",
                "kerasqueeze.deploy.web.network.in_templates",
            ]
        },
    }
]
# A connection a request: threads that wait for photos hold none.
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{DATA / 'history.sqlite3'}", conn_max_age=0)}
if DATABASES["default"].get("ENGINE", "").endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",  # else two writers at once can end in "database is locked"
        "timeout": 20,
        # secure_delete: what is deleted is overwritten in the file as well.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # from the package itself: nothing to collect, nothing to write
WHITENOISE_MAX_AGE = 3600
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": PHOTOS,
            "base_url": None,  # views serve them
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]  # never a temporary file
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_REQUEST
DATA_UPLOAD_MAX_NUMBER_FIELDS = 50
DATA_UPLOAD_MAX_NUMBER_FILES = 50
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # so that there need be no sessions

# Safety

CSRF_FAILURE_VIEW = "kerasqueeze.deploy.web.views.errors.csrf_failure"
CSRF_COOKIE_HTTPONLY = True  # the forms carry the token
CSRF_COOKIE_SAMESITE = SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_AGE = None  # forgotten when the browser closes
SESSION_COOKIE_HTTPONLY = True  # of the messages' cookie too
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # waitress drops it unless it comes from PROXY
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = False
    SILENCED_SYSTEM_CHECKS = [
        "security.W005",  # HSTS for other names of the domain, and
        "security.W021",  # their entry in browsers' lists, are the domain's owner's to decide, not one site's
    ]
else:
    SILENCED_SYSTEM_CHECKS = [
        "security.W004",  # HSTS,
        "security.W008",  # the redirect to HTTPS and
        "security.W016",  # a cookie for HTTPS alone: on this machine's own address there is no HTTPS
    ]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    # Refusals are the sender's to know of; an error with a traceback is for whoever runs the site.
    "filters": {"bugs": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: bool(record.exc_info)}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "django": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False, "filters": ["bugs"]},
        "django.security": {"handlers": ["console"], "level": "CRITICAL", "propagate": False},
        "waitress": {"handlers": ["console"], "level": "ERROR", "propagate": False},  # each wait would be a warning
    },
}
