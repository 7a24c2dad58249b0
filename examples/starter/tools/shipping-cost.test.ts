// npm test
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { priceOf, shippingCost } from './shipping-cost.ts'

test('the price is by the kilo, to the cent', () => {
  assert.equal(priceOf({ country: 'Norway', kilos: 3 }), 12.6)
  assert.equal(priceOf({ country: 'Portugal', kilos: 0.333 }), 1.03)
})

test('a country without a price is an error that the model can act on', () => {
  assert.throws(
    () => priceOf({ country: 'Mars', kilos: 1 }),
    /no price for Mars; there are: Norway, Portugal/,
  )
})

test('models see the tool by this name', () => {
  assert.equal(shippingCost.spec.name, 'shipping_cost')
})
