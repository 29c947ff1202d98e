#!/usr/bin/env python3
"""Prints the primes of ranges: a file has one a line, its beginning and its end, which is not part of it."""

import sys


def primes(low, high):
    """A sieve of this range, by all that could divide it."""
    low = max(low, 2)
    is_prime = bytearray([1]) * max(high - low, 0)
    divisor = 2
    while divisor * divisor < high:
        first = max(divisor * divisor, -(-low // divisor) * divisor)
        is_prime[first - low :: divisor] = bytes(len(range(first, high, divisor)))
        divisor += 1
    return (low + at for at, prime in enumerate(is_prime) if prime)


def main():
    if len(sys.argv) != 2:
        sys.exit("name a file of ranges, as in: primes.py ranges.txt")
    with open(sys.argv[1]) as ranges:
        for line in ranges:
            low, high = map(int, line.split())
            for prime in primes(low, high):
                print(prime)


main()
