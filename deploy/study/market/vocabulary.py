"""Skills as people mean them (concepts) and as portals word them (wordings), by trade.

This file must not know which worker or posting uses a wording.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from federation.codes import occupations

#: Ways in which portals put a name; wording ``name * STYLES + style`` of a concept.
STYLES = 4
#: Task phrases taken from the classification for each occupation, at most.
TAIL = 8
PHRASE = re.compile(r"[一-鿿]{4,8}")
#: Verbs that open a task worth calling a skill; other phrases are fragments of longer sentences.
VERBS = frozenset(
    (
        "操作 安装 检查 维护 调整 制作 清洁 处理 检测 编制 设计 管理 分析 配制 装配 加工 测量 "
        "检验 清洗 驾驶 核对 整理 编排 收集 记录 填写 控制 调试 准备 制订 组织 保养 修理 更换 "
        "诊断 采集 建立 接待 销售 介绍 推广 策划 拍摄 修剪 种植 培育 测试 开发 编写 部署 监控 "
        "巡视 巡查 引导 疏导 烹制 腌制 包装 搬运 装卸 盘点 分拣 验收 铺设 绑扎 浇筑 搭设 拆除 "
        "焊接 切割 打磨 抛光 喷涂 印刷 裁剪 缝制 熨烫 测定 化验 护理 照料 洗涤 消毒 计算 审核 "
        "核算 办理 登记 接收 解答 辅导 绘制 研究 制定 监测 评估 组装 调配 粘贴 分类 清点 采购 "
        "养护 装饰 拼接"
    ).split()
)
SPLIT = re.compile(r"[^一-鿿]+|以及|进行|并|和|或|及|的|等|与")


@dataclass(frozen=True)
class Concept:
    """One skill: the family in which skills stand in for each other, and its names."""

    trade: int
    family: str
    names: tuple[str, ...]
    parent: int

    @property
    def wordings(self) -> tuple[str, ...]:
        """Every name in every style, name by name."""
        return tuple(wording for name in self.names for wording in styled(name))


@dataclass(frozen=True)
class Vocabulary:
    """``trades[t]`` is a key; ``occupations[o]`` a code with ``trade_of[o]`` and ``share[o]``.

    ``general``, ``core[t]`` and ``tail[o]`` list concept numbers.
    """

    concepts: tuple[Concept, ...]
    trades: tuple[str, ...]
    occupations: tuple[str, ...]
    trade_of: tuple[int, ...]
    share: tuple[float, ...]
    general: tuple[int, ...]
    core: tuple[tuple[int, ...], ...]
    tail: tuple[tuple[int, ...], ...]


def task_phrases(text: str) -> list[str]:
    """Phrases of four to eight characters that begin with a verb, as tasks are listed."""
    tasks = text.partition(" ")[2]
    found = [piece for piece in SPLIT.split(tasks) if PHRASE.fullmatch(piece)]
    return [piece for piece in dict.fromkeys(found) if piece[:2] in VERBS][:TAIL]


def phrase_wordings(phrase: str) -> tuple[str, ...]:
    """A task phrase as postings put it: verb first and verb last."""
    return (phrase, phrase[2:] + phrase[:2])


def styled(name: str) -> tuple[str, ...]:
    """The :data:`STYLES` ways in which portals put one name of a skill, the bare name first."""
    if name.endswith(("证", "照", "证书")):
        return (name, f"有{name}", f"持{name}", f"{name}优先")
    if name.endswith(("经验", "知识", "能力", "意识")):
        return (name, f"有{name}", f"{name}优先", f"{name}丰富")
    return (name, f"{name}经验", f"熟练{name}", f"{name}优先")


def _closest(phrase: str, candidates: list[tuple[int, Concept]]) -> int:
    """The hand-made concept that shares most characters with ``phrase``; the first on a tie."""
    return max(
        candidates,
        key=lambda pair: (len(set(phrase) & set("".join(pair[1].names))), -pair[0]),
    )[0]


def _sections(text: str) -> list[tuple[str, list[str], list[str]]]:
    """(key, codes with shares, concept lines) of each section of skills.txt."""
    found: list[tuple[str, list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("["):
            found.append((line.strip("[]"), [], []))
        elif line.startswith("occupations "):
            found[-1][1].extend(line.split()[1:])
        elif line and not line.startswith("#"):
            found[-1][2].append(line)
    return found


@lru_cache(maxsize=1)
def load() -> Vocabulary:
    """The packaged vocabulary, with a tail of task phrases for every occupation."""
    text = (files("deploy.study.market") / "data" / "skills.txt").read_text(encoding="utf-8")
    table = occupations.load()
    concepts: list[Concept] = []
    core: list[tuple[int, ...]] = []
    codes: list[tuple[str, int, float]] = []
    trades: list[str] = []
    for trade, (key, listed, lines) in enumerate(_sections(text), start=-1):
        first = len(concepts)
        for line in lines:
            family, _, wordings = line.partition(" ")
            concepts.append(Concept(trade, family, tuple(wordings.split("/")), -1))
        core.append(tuple(range(first, len(concepts))))
        trades.append(key)
        codes.extend((pair[0], trade, float(pair[1])) for pair in (c.split("*") for c in listed))
    used = {name for concept in concepts for name in concept.names}
    tail: list[tuple[int, ...]] = []
    for code, trade, _ in codes:
        candidates = [(number, concepts[number]) for number in core[trade + 1]]
        first = len(concepts)
        for phrase in task_phrases(table[code].text):
            names = tuple(name for name in phrase_wordings(phrase) if name not in used)
            if len(names) > 1:
                used.update(names)
                parent = _closest(phrase, candidates)
                concepts.append(Concept(trade, concepts[parent].family, names, parent))
        tail.append(tuple(range(first, len(concepts))))
    return Vocabulary(
        tuple(concepts),
        tuple(trades[1:]),
        tuple(code for code, _, _ in codes),
        tuple(trade for _, trade, _ in codes),
        tuple(share for _, _, share in codes),
        core[0],
        tuple(core[1:]),
        tuple(tail),
    )
