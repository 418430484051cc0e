"""How a case ends other than by passing."""


class CaseFailure(Exception):
    """Says what was expected and what was seen."""


class CaseSkipped(Exception):
    """The means for this case are lacking; says which."""


def expect(what: str, expected: object, seen: object) -> None:
    if expected != seen:
        raise CaseFailure(f"{what}: expected {expected!r}, saw {seen!r}")
