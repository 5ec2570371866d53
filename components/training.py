"""The name by which plug-ins import what scores pairs with a module that they have trained."""

from components.learning.loop import predict as predict
