"""Routes."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.home),
    path("join", views.join),
    path("enter", views.enter),
    path("leave", views.leave),
    path("documents", views.add),
    path("bundles", views.add_bundle),
    path("documents/<int:pk>", views.show),
    path("documents/<int:pk>/link", views.link),
    path("documents/<int:pk>/remove", views.remove),
    path("linked/<str:token>", views.linked),
    path("audit", views.audit),
    path("devices", views.devices),
    path("report", views.report),
    path("forgotten", views.forgotten),
    path("health", views.health),
]
handler500 = "pyward_guard.errors.django.handler500"
