"""All benchmarks of quality in one run, or those of some jobs.

    python examples/benchmarks/quality.py [--data FOLDER] [--seeds 5] [JOB ...]

The jobs are the files beside this one: "defaults", "missing", "outliers", "objectives",
"clusters", "series" and "text". Each prints skae beside its peers, over several seeds,
mean and worst.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
JOBS = sorted(path.stem.removeprefix("quality_") for path in HERE.glob("quality_*.py"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    parser.add_argument("--data", help="a folder with more data sets")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    unknown = {*args.jobs} - {*JOBS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; expected {JOBS}")
    for job in args.jobs or JOBS:
        print(f"\n=== {job}", flush=True)
        command = [sys.executable, HERE / f"quality_{job}.py", "--seeds", args.seeds]
        if args.data is not None:
            command += ["--data", args.data]
        subprocess.run([*map(str, command)], check=True)


if __name__ == "__main__":
    main()
