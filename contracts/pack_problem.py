"""What can be wrong with a policy pack: named, located, with the mend."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

ProblemName = Literal[
    # a file by itself
    "file_is_not_toml",
    "file_is_too_large",
    "key_is_unknown",
    "key_is_missing",
    "word_is_unknown",
    "value_is_wrong",
    "amount_is_not_yuan_and_fen",
    "ratio_is_outside_0_to_1",
    "codes_are_missing",
    "row_says_two_things",
    "deductible_is_missing",
    "tiers_are_missing",
    "tiers_do_not_start_at_0",
    "tiers_overlap",
    "cap_is_missing",
    "edition_ends_before_it_begins",
    "application_rule_is_missing",
    "answer_is_incomplete",
    "case_is_malformed",
    # between its parts, and between files
    "no_pack_here",
    "two_packs_for_one_region",
    "city_is_missing",
    "county_is_outside_its_city",
    "county_changes_more_than_it_may",
    "basic_is_not_first",
    "application_layer_is_not_last",
    "layer_is_repeated",
    "layer_begins_before_its_document",
    "editions_are_apart",
    "editions_overlap",
    "gap_between_editions",
    "fund_field_is_in_two_layers",
    "fund_code_is_in_two_layers",
    "row_is_repeated",
    "row_is_never_reached",
    "rows_cross",
    "tiers_fall",
    "code_is_in_two_rows",
    "applicant_names_no_row",
    "document_is_unknown",
    # against documents, readings and cases
    "document_file_is_missing",
    "document_is_another",
    "quote_is_not_in_the_document",
    "quote_is_in_another_clause",
    "clause_is_passed_over",
    "sentence_is_passed_over",
    "key_has_no_clause",
    "number_has_no_clause",
    "number_is_not_in_its_quote",
    "excluded_cause_is_not_cited",
    "excluded_cause_is_missing",
    "citation_supports_no_key",
    "citation_names_no_row",
    "watch_has_no_clause",
    "concerns_name_no_key",
    "reading_does_not_exist",
    "reading_has_no_case",
    "case_does_not_exist",
    "cases_are_missing",
    "id_is_repeated",
    "stakes_name_no_yuan",
    "otherwise_does_not_fit",
]
"""Everything that can be wrong with a pack: full statements, a closed list, one test each."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a pack: in which file, at which key, under which name, in words, and what mends it."""

    file: str
    key: str
    name: ProblemName
    wrong: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.name}: {self.wrong}; {self.fix}"


class PackError(ValueError):
    """Packs that must not be used, with every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))
