"""Models of one's own: what they see of a data set and an exam, and what they work with."""

from components.learning.context import Context as Context
from components.learning.context import Epoch as Epoch
from components.learning.view import ProgramError as ProgramError
from components.learning.view import View as View
from components.learning.view import shown as shown
