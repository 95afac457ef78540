"""The app's name, as Django's tables and migrations know it."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The one app of the site."""

    name = "kerasqueeze.deploy.web"
    label = "web"
    verbose_name = "kerasqueeze"

    def ready(self) -> None:
        """Let a deleted photo take its files along."""
        from kerasqueeze.deploy.web import store

        store.connect()
