"""Which address is answered by which view."""

from django.urls import path, re_path

from kerasqueeze.deploy.web.views import api, health, history, photo, site

_NUMBER = r"(?P<pk>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"

urlpatterns = [
    path("", photo.Home.as_view(), name="home"),
    path("photo/<uuid:pk>/", photo.Photo.as_view(), name="photo"),
    path("photo/<uuid:pk>/delete/", photo.Delete.as_view(), name="delete"),
    re_path(rf"^photo/{_NUMBER}/(?P<name>photo|thumbnail|heat-[1-5])$", photo.picture, name="picture"),
    path("history/", history.History.as_view(), name="history"),
    path("history/history.csv", history.download, name="download"),
    path("history/delete/", history.DeleteAll.as_view(), name="delete_all"),
    path("study/", site.Study.as_view(), name="study"),
    path("study/<str:name>.png", site.study_picture, name="study_picture"),
    path("about/", site.About.as_view(), name="about"),
    path("api/v1/predict", api.Predict.as_view(), name="predict"),
    path("api/v1/openapi.json", api.OpenApi.as_view(), name="openapi"),
    path("healthz", health.Health.as_view(), name="healthz"),
    path("readyz", health.Ready.as_view(), name="readyz"),
]

handler400 = "kerasqueeze.deploy.web.views.errors.bad_request"
handler403 = "kerasqueeze.deploy.web.views.errors.forbidden"
handler404 = "kerasqueeze.deploy.web.views.errors.not_found"
handler500 = "kerasqueeze.deploy.web.views.errors.broke"
