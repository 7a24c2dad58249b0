// Figures of evaluations, against values that others computed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mcNemar, pairedTest, passHat, quantileOf, wilson } from '../../../evaluation/statistics.ts'

const near = (found: number | undefined, wanted: number, digits = 4) =>
  assert.equal(found?.toFixed(digits), wanted.toFixed(digits))
const ones = (right: number, of: number) => Array.from({ length: of }, (_, index) => Number(index < right))

test("Wilson's interval, as Newcombe's table of 1998 has it (method 3)", () => {
  const cases = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const
  for (const [right, of, low, high] of cases) {
    const interval = wilson(ones(right, of))
    near(interval?.low, low)
    near(interval?.high, high)
  }
  assert.equal(wilson([]), null)
  const graded = wilson([0.5, 0.5, 0.5, 0.5])
  assert.deepEqual(graded, wilson([0, 1, 0, 1]), 'graded scores have the interval of the same mean')
})

test('pass^k: of 8 attempts 6 passed', () => {
  near(passHat([{ passed: 6, epochs: 8 }], 1) ?? NaN, 0.75)
  near(passHat([{ passed: 6, epochs: 8 }], 2) ?? NaN, 15 / 28)
  near(passHat([{ passed: 6, epochs: 8 }], 7) ?? NaN, 0)
  assert.equal(
    passHat(
      [
        { passed: 3, epochs: 3 },
        { passed: 0, epochs: 3 },
      ],
      3,
    ),
    0.5,
  )
  assert.equal(passHat([{ passed: 1, epochs: 1 }], 2), null)
})

test("McNemar's exact test, as scipy.stats.binomtest(b, b + c) has it", () => {
  near(mcNemar(1, 8), 0.0391)
  near(mcNemar(5, 5), 1)
  near(mcNemar(0, 6), 0.03125, 5)
  near(mcNemar(200, 260), 0.0059)
  assert.equal(mcNemar(0, 0), 1)
})

test("Fisher's test of Darwin's maize: p = 0.0527, as scipy.stats.permutation_test has it", () => {
  const darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
  const found = pairedTest(darwin)
  assert.equal(found?.method, 'exact permutation')
  near(found?.p, 1726 / 32768, 6)
  near(found?.difference, 20.9333)
})

test('differences of one size are McNemar; more pairs than can be enumerated are drawn, always alike', () => {
  const binary = pairedTest([1, 1, 1, 1, 1, 1, 1, 1, -1, 0, 0])
  assert.deepEqual([binary?.method, binary?.different], ['exact McNemar', 9])
  near(binary?.p, 0.0391)
  const many = Array.from({ length: 60 }, (_, index) => Math.sin(index) + 0.25)
  const drawn = pairedTest(many)
  assert.equal(drawn?.method, 'permutation')
  assert.deepEqual(drawn, pairedTest(many))
  // The normal approximation of the same test: z = sum / sqrt(sum of squares) = 2.881, p = 0.0040.
  assert.ok(Math.abs((drawn?.p ?? 1) - 0.004) < 0.0015, String(drawn?.p))
  assert.equal(pairedTest([]), null)
  assert.equal(pairedTest([0, 0])?.p, 1)
})

test('quantiles by nearest rank', () => {
  assert.deepEqual([quantileOf([3, 1, 2], 0.5), quantileOf([3, 1, 2], 0.95), quantileOf([], 0.5)], [2, 3, 0])
})
