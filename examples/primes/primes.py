#!/usr/bin/env python3
"""Counts the primes below a number, or this task's share of them.

Submitted as an array, each task takes every so-manieth number: its share is told by BRAMBLE_INDEX, how many share by
the environment variable SHARES.
"""

import os
import sys


def is_prime(n):
    if n < 2:
        return False
    if n % 2 == 0:
        return n == 2
    divisor = 3
    while divisor * divisor <= n:
        if n % divisor == 0:
            return False
        divisor += 2
    return True


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("write the number below which primes are counted, as in: primes.py 100000")
    below = int(sys.argv[1])
    shares = max(1, int(os.environ.get("SHARES", "1")))
    index = int(os.environ.get("BRAMBLE_INDEX", "0")) % shares
    count = sum(1 for n in range(index, below, shares) if is_prime(n))
    part = f", share {index} of {shares}" if shares > 1 else ""
    print(f"{count} primes below {below}{part}")


main()
