"""The cities of the synthetic market: real codes and centres, and what each one's industry is like.

This file must not know how many workers or jobs a market has.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class City:
    """One prefecture: GB/T 2260 code, centre (degrees, WGS84), pay level, size and industry mix.

    ``strong`` gives the weight of trades the city is known for; every other trade weighs
    :func:`weight` of elsewhere. ``draw`` is its pull on people who move without knowing
    what work is there.
    """

    code: str
    name: str
    longitude: float
    latitude: float
    pay: float
    size: float
    draw: float
    region: str
    strong: dict[str, float]

    def weight(self, trade: str) -> float:
        """Weight of a trade among the city's postings."""
        elsewhere = SERVICE_ELSEWHERE if trade in SERVICES else BRANCH_ELSEWHERE
        return self.strong.get(trade, elsewhere)


#: Weight of a trade a city is not known for: services are everywhere, branches of production and of
#: business services cluster (location quotients of Chinese branches differ by 20 to 100).
SERVICES = frozenset(
    (
        "delivery driving warehouse catering domestic beauty retail building repair security "
        "clerical health education"
    ).split()
)
SERVICE_ELSEWHERE, BRANCH_ELSEWHERE = 0.3, 0.06


def _mix(text: str) -> dict[str, float]:
    """Weights written as ``trade:weight`` words."""
    return {trade: float(weight) for trade, weight in (word.split(":") for word in text.split())}


# Pay levels follow the order of published average wages, the mean of the list near 1; draw follows
# the order of destinations in the census flows (深圳 first, 东莞 fourth, 苏州 sixth, 佛山 eighth).
# fmt: off
DEVELOPMENT = (
    City("440300", "深圳", 114.058, 22.543, 1.22, 1.15, 4.0, "east", _mix(
        "electronics:8 software:5 ecommerce:3 robotics:4 delivery:3 design:2 clerical:2")),
    City("440600", "佛山", 113.121, 23.021, 1.02, 1.0, 1.6, "east", _mix(
        "furniture:6 ceramics:6 appliance:7 machining:5 garment:2 warehouse:1.5")),
    City("510100", "成都", 104.066, 30.572, 0.95, 1.1, 1.8, "west", _mix(
        "catering:7 beauty:4 education:4 health:4 retail:4 domestic:2 design:2")),
    City("410100", "郑州", 113.625, 34.746, 0.86, 1.0, 1.0, "central", _mix(
        "food:6 building:6 warehouse:5 driving:4 farm:3 security:3 repair:2")),
)
REPORTING = (
    City("320500", "苏州", 120.585, 31.299, 1.12, 1.2, 2.4, "east", _mix(
        "electronics:6 robotics:5 machining:5 chemical:4 software:2")),
    City("441900", "东莞", 113.752, 23.021, 1.03, 1.05, 2.6, "east", _mix(
        "garment:6 furniture:4 electronics:4 appliance:4 warehouse:3")),
    City("420100", "武汉", 114.305, 30.593, 0.95, 1.1, 1.4, "central", _mix(
        "education:5 health:5 building:4 delivery:4 driving:4 security:2")),
    City("610100", "西安", 108.940, 34.341, 0.88, 1.0, 1.0, "west", _mix(
        "catering:5 retail:5 repair:4 design:3 clerical:4 food:3")),
)
# fmt: on
