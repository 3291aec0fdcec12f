"""A stand-in for a program in any language: it reads its settings from the command line and prints what it achieved."""

import argparse
import math

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float, default=1.0)
parser.add_argument("--threads", type=int, default=4)
parser.add_argument("--mode", choices=["fast", "safe"], default="fast")
parser.add_argument("--restart", type=int, default=100)
parser.add_argument("--simd", action="store_true")
options = parser.parse_args()

cost = 2 + math.log10(options.alpha / 0.6) ** 2 + abs(options.threads - 12) / 20
gap = 0.002 * options.threads / 4
if options.mode == "safe":
    cost, gap = 1.4 * cost + abs(math.log(options.restart / 80)) / 5, gap / 4
if options.simd:
    cost *= 0.8

print(f"solved with alpha {options.alpha:g} on {options.threads} threads")
print(f"final cost = {cost:.6f}")
print(f"final gap = {gap:.6f}")
