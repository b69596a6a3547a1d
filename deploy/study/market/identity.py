"""Private fields of invented people: plausible in form, impossible as real ones.

Identity numbers use region 99, which GB/T 2260 does not assign; telephone numbers use 154, which no
Chinese operator was assigned; given names are the stems 甲乙丙丁, as in law-school examples.
"""

from datetime import date

SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
STEMS = "甲乙丙丁戊己庚辛壬癸"
ROADS = ("样例路", "演示街", "虚拟大道", "测试巷", "合成路")
#: Weights and check characters of GB 11643-1999 (ISO 7064 MOD 11-2).
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"


def identity_number(born: date, serial: int, male: bool) -> str:
    """18 characters with a valid check character; ``serial`` is below 50 000 for each birthday."""
    region, order = divmod(serial, 500)
    body = f"99{region:04d}{born:%Y%m%d}{2 * order + male:03d}"
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, body, strict=True))
    return body + CHECKS[total % 11]


def phone(serial: int) -> str:
    """11 digits, prefix 154."""
    return f"154{serial:08d}"


def name(serial: int) -> str:
    """A surname and one or two stems."""
    rest, surname = divmod(serial, len(SURNAMES))
    rest, first = divmod(rest, len(STEMS))
    return SURNAMES[surname] + STEMS[first] + STEMS[rest % len(STEMS)]


def address(county: str, serial: int) -> str:
    """An invented street in a real county."""
    return f"{county}{ROADS[serial % len(ROADS)]}{serial % 397 + 1}号（虚构）"
