"""A site on which a trained network names what is on photos: a Django project with one app.

A request's way, file by file: `urls.py` → `views/` → `models.py` and `network.py` → `templates/`. The settings are in
`settings.py`, the database's tables in `migrations/`; `serving.py` starts it all.
"""
