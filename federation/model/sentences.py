"""Sentences of an explanation, one table a language; another language is another table.

Knows the names, cases and facts of parts only, nothing of how they were computed.
"""

from collections.abc import Mapping
from typing import Final

from federation.model.explanation import Part

ENGLISH: Final = {
    "base.any": "how engagements in this sector usually end",
    "skills.asked": "matches {matched} of {required} required skills",
    "skills.free": "asks for no particular skill",
    "occupation.unit": "the same occupation",
    "occupation.minor": "an occupation of the same minor group",
    "occupation.sector": "an occupation of the same sector",
    "occupation.major": "an occupation of the same major group",
    "occupation.other": "an occupation of another field",
    "experience.enough": "{years} years of experience, {asked} asked",
    "experience.short": "{years} years of experience, but {asked} asked",
    "pay.above": "pays {low} to {high} yuan, all at or above the wish of {wish}",
    "pay.within": "pays {low} to {high} yuan around the wish of {wish}",
    "pay.below": "pays {low} to {high} yuan, below the wish of {wish}",
    "hours.within": "{hours} hours a week, within the wish of {wish}",
    "hours.over": "{hours} hours a week, more than the wish of {wish}",
    "shift.suits": "the shift ({shift}) suits",
    "shift.unwanted": "the shift is {shift}, the wish {wish}",
    "contract.suits": "the contract ({contract}) suits",
    "contract.short": "the contract is {contract}, the wish {wish}",
    "insurance.suits": "the insurance ({insurance}) suits",
    "insurance.short": "the insurance is {insurance}, the wish {wish}",
    "distance.near": "{km} km away, within {reach} km",
    "distance.willing": "{km} km away, where the worker would move",
    "distance.unwilling": "{km} km away, farther than {reach} km and no wish to move there",
    "recency.any": "posted {days} days ago",
}
CHINESE: Final = {
    "base.any": "本行业用工的一般结果",
    "skills.asked": "符合所需技能 {required} 项中的 {matched} 项",
    "skills.free": "不要求特定技能",
    "occupation.unit": "职业相同",
    "occupation.minor": "同一小类职业",
    "occupation.sector": "同一中类职业",
    "occupation.major": "同一大类职业",
    "occupation.other": "其他领域职业",
    "experience.enough": "有 {years} 年经验，要求 {asked} 年",
    "experience.short": "仅有 {years} 年经验，要求 {asked} 年",
    "pay.above": "月薪 {low} 至 {high} 元，不低于期望的 {wish} 元",
    "pay.within": "月薪 {low} 至 {high} 元，接近期望的 {wish} 元",
    "pay.below": "月薪 {low} 至 {high} 元，低于期望的 {wish} 元",
    "hours.within": "每周 {hours} 小时，不超过期望的 {wish} 小时",
    "hours.over": "每周 {hours} 小时，超过期望的 {wish} 小时",
    "shift.suits": "班次（{shift}）合适",
    "shift.unwanted": "班次为{shift}，期望{wish}",
    "contract.suits": "合同（{contract}）合适",
    "contract.short": "合同为{contract}，期望{wish}",
    "insurance.suits": "保险（{insurance}）合适",
    "insurance.short": "保险为{insurance}，期望{wish}",
    "distance.near": "距离 {km} 公里，在 {reach} 公里以内",
    "distance.willing": "距离 {km} 公里，愿意前往",
    "distance.unwilling": "距离 {km} 公里，超过 {reach} 公里且不愿前往",
    "recency.any": "{days} 天前发布",
}
CHINESE_WORDS: Final = {
    "any": "不限",
    "day": "白班",
    "night": "夜班",
    "rotating": "轮班",
    "flexible": "弹性",
    "none": "无",
    "service": "劳务合同",
    "labour": "劳动合同",
    "injury": "工伤保险",
    "full": "五险",
}
LANGUAGES: Final[Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]] = {
    "en": (ENGLISH, {}),
    "zh": (CHINESE, CHINESE_WORDS),
}


def sentence(part: Part, language: str = "en") -> str:
    """Return the part in words; ``language`` is a key of LANGUAGES."""
    templates, words = LANGUAGES[language]
    facts = {name: words.get(str(fact), fact) for name, fact in part.facts.items()}
    return templates[f"{part.name}.{part.case}"].format(**facts)
