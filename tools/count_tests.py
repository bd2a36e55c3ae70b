#!/usr/bin/env python3
"""Prints "PASSED FAILED SKIPPED" for one run of ctest; tools/test adds them up.

    count_tests.py JUNIT_FILE_OF_CTEST FOLDER_OF_GTEST_XML

A GoogleTest program counts as its test cases; anything else, or a program that died before it wrote its record, as one.
"""

import pathlib
import sys
import xml.etree.ElementTree


def cases_of(program, folder):
    """(passed, failed, skipped) from GoogleTest's record of a program, or None."""
    record = folder / f"{program}.xml"
    if not record.exists():
        return None
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(record).getroot().iter("testcase"):
        if case.get("status") != "run":
            continue  # disabled
        if case.find("failure") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main():
    junit, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    total = [0, 0, 0]
    for test in xml.etree.ElementTree.parse(junit).getroot().iter("testcase"):
        status = test.get("status")  # run, fail, notrun or disabled
        skipped = status == "disabled" or (status == "notrun" and test.find("skipped") is not None)
        own = (1, 0, 0) if status == "run" else (0, 0, 1) if skipped else (0, 1, 0)
        cases = cases_of(test.get("name"), folder)
        if cases is not None and own[1] and not cases[1]:
            cases = (cases[0], 1, cases[2])  # every case passed, and the program failed all the same
        for i, value in enumerate(cases or own):
            total[i] += value
    print(*total)


if __name__ == "__main__":
    main()
