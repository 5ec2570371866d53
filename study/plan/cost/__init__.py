"""What a study will cost: known from finished cells, else from a few timed batches."""

from study.plan.cost.total import Estimate as Estimate
from study.plan.cost.total import estimate as estimate
