"""Files that other programs read and write: exams, and the scores that come back."""

from components.exchange.exam_files import write_exam as write_exam
from components.exchange.exam_files import write_pairs as write_pairs
from components.exchange.scores import EdgeList as EdgeList
from components.exchange.scores import read_edges as read_edges
from components.exchange.scores import read_scores as read_scores
