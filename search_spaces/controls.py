"""Control arms: the reference with another scorer, or an arm on other expression, or on other features of genes."""

from __future__ import annotations

from collections.abc import Sequence

from components.core import registry
from components.core.errors import KnockoutError, UnknownNameError
from search_spaces.arm import Arm, parse_choice

CONTROLS = ("degree", "reverse_degree", "identity", "topology", "noise")
OF_EXPRESSION = ("noise", "permuted")  # controls that are the model itself on other expression
OF_FEATURES = {"permuted_features": "permuted", "random_features": "random"}  # on other rows of a file of features


def controls(reference: Arm, names: Sequence[str], others: Sequence[Arm] = ()) -> list[Arm]:
    """Return the control arms of these names: the reference with another scorer, which reads no true expression.

    Of a reference that is a model of one's own, noise and permuted are that model on other expression. Controls of
    features are made of the reference or, where it reads none, of each of the other arms that does.
    """
    arms = []
    for position, name in enumerate(names):
        at = f"controls[{position}]"
        if name in OF_FEATURES:
            readers = [] if reads_features(reference) else [arm for arm in others if reads_features(arm)]
            controls = [_own_control(arm, name, at, f"{arm.name} ({name})") for arm in readers]
            arms += controls or [_own_control(reference, name, at, name)]
        elif name in OF_EXPRESSION and reference.learns:
            arms.append(_own_control(reference, name, at, name))
        else:
            choice = parse_choice("scorer", name, where=at)
            known = [n for n, cls in registry.levels("scorer").items() if getattr(cls, "control", False)]
            if choice.level not in known:
                raise UnknownNameError.of("control arm", name, [*known, *OF_FEATURES], where=at)
            arms.append(reference.vary({"scorer": choice}, name=name, role="control"))
    return arms


def default_controls(reference: Arm) -> list[str]:
    """Return the names of the controls that stand beside an arm where nothing else is asked for."""
    names = [name for name in CONTROLS if name not in OF_EXPRESSION or not blind(reference)]
    return names + (list(OF_FEATURES) if reads_features(reference) else [])


def blind(arm: Arm) -> bool:
    """Return whether an arm is known to read no expression, so that it cannot be shown another."""
    if not arm.trains:  # of a rule or a known method, noise would be another model
        return not reads_expression(arm)
    return not told_of_expression(arm) and reads_features(arm) and arm.choices["bucketing"].settings.part() is None


def own_controls(arm: Arm, names: Sequence[str], where: str) -> list[Arm]:
    """Return controls that are an arm itself on other expression or other features, ``<arm> (<control>)``.

    Raises
    ------
    KnockoutError
        If there is no such control, or the arm reads no expression, or no features.
    """
    if not isinstance(names, list | tuple):
        raise KnockoutError(f"a list is needed: write [{names}].", where=where)
    return [_own_control(arm, name, f"{where}[{i}]", f"{arm.name} ({name})") for i, name in enumerate(names)]


def _own_control(arm: Arm, control: str, where: str, name: str) -> Arm:
    """Return an arm on other expression (a model of one's own) or on other features of genes, as a control."""
    if control in OF_FEATURES and not reads_features(arm):
        raise KnockoutError(
            f"arm {arm.name!r} reads no features of genes: it has no control {control!r}. Give it some: "
            "{bucketing: {features: {file: embeddings.parquet}}}.",
            where=where,
        )
    if control not in (*OF_EXPRESSION, *OF_FEATURES):
        raise UnknownNameError.of("control of one arm", control, [*OF_EXPRESSION, *OF_FEATURES], where=where)
    if control in OF_EXPRESSION and not reads_expression(arm):
        raise KnockoutError(f"arm {arm.name!r} reads no expression: it has no such control.", where=where)
    of_features = control in OF_FEATURES
    factor = "bucketing" if of_features else "scorer"
    changes = {"rows": OF_FEATURES[control]} if of_features else {"expression": control}
    choice = arm.choices[factor]
    varied = parse_choice(factor, {choice.level: changes}, beside=choice, where=where)
    return arm.vary({factor: varied}, name=name, role="control")


def reads_features(arm: Arm) -> bool:
    """Return whether an arm gives each gene its own row of a file of features."""
    settings = arm.choices["bucketing"].settings
    return "bucketing" not in arm.silenced and getattr(settings, "rows", "") == "own"


def told_of_expression(arm: Arm) -> bool:
    """Return whether a trained model is told of pairs by expression, beside what it makes of the two genes."""
    settings = arm.choices["pair_features"].settings
    return "pair_features" not in arm.silenced and getattr(settings, "reads_expression", False)


def reads_expression(arm: Arm) -> bool:
    """Return whether a model of one's own can be shown other expression, and reads any."""
    settings = arm.choices["scorer"].settings
    return arm.learns and "expression" in type(settings).model_fields and getattr(settings, "reads_expression", True)
