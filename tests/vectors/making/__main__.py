"""Write every made vector file again: ``make vectors``."""

from vectors.making import FOLDER, text_of
from vectors.making.files import MADE

for name, make in MADE.items():
    (FOLDER / name).write_text(text_of(make()))
