// Probabilities of faults, drawn for each seed: some seeds have only crashes, some none, so that no kind of
// fault hides another.
import {
  faultKinds,
  type Fate,
  type FaultKind,
  type FaultRates,
} from '../../runtime/testing/simulator/fate.ts'

/** Highest probability for one operation; for faults that are planned by time (below), the highest count. */
const most: FaultRates = {
  'crash-before-call': 0.01,
  'crash-in-call': 0.015,
  'crash-before-journal': 0.015,
  'crash-before-commit': 0.006,
  'crash-in-commit': 0.006,
  'crash-after-commit': 0.006,
  'crash-in-opening': 0.02,
  'crash-in-store': 0.004,
  'crash-anywhere': 3,
  // Not drawn: deadly.ts.
  'crash-by-event': 0,
  pause: 4,
  'pause-in-store': 0.006,
  'cut-off': 3,
  rebalance: 4,
  drain: 2,
  join: 2,
  'store-fails': 0.03,
  'store-reply-lost': 0.02,
  'store-lags': 0.01,
  'store-away': 3,
  'store-refuses': 2,
  'store-forgets': 1,
  'opening-fails': 0.1,
  'commit-fails': 0.05,
  'commit-uncertain': 0.05,
  redelivery: 0.1,
  'late-delivery': 0.05,
  'breaker-open': 0.05,
  'model-fails': 0.2,
  'model-hangs': 0.03,
  'model-answers-nothing': 0.1,
  'model-answers-garbage': 0.1,
  'tool-fails': 0.2,
  'tool-hangs': 0.03,
  'sandbox-fails': 0.05,
  'sandbox-forgets': 0.2,
  'ledger-fails': 0.05,
  'limits-fail': 0.1,
  'notifier-fails': 0.1,
}

/** They strike at a time, not at an operation. */
export const plannedKinds = [
  'crash-anywhere',
  'pause',
  'cut-off',
  'rebalance',
  'drain',
  'join',
  'store-away',
  'store-refuses',
  'store-forgets',
] as const satisfies readonly FaultKind[]

/** Rates if one process has the log to itself. */
export const notAlone = {
  'cut-off': 0,
  rebalance: 0,
  join: 0,
  // There a write that is acknowledged is on the disk.
  'store-forgets': 0,
} as const satisfies Partial<FaultRates>

const SHARE_OF_KINDS = 0.6

export function drawRates(fate: Fate): FaultRates {
  const rates = faultKinds.map((kind) => {
    const isOn = fate.chance(`has ${kind}`, SHARE_OF_KINDS)
    return [kind, isOn ? fate.fraction(`rate of ${kind}`) * most[kind] : 0] as const
  })
  return Object.fromEntries(rates) as FaultRates
}

export const noRates = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as FaultRates
