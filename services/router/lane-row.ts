/**
 * Rows of the lane that are named by their tasks; none yet. V8 makes a hidden class for each new name of a plain object, which
 * costs more than the rest of a small decision; an object without a prototype is a dictionary and has none.
 */
export const laneRows = <Row>(): Record<string, Row> => Object.create(null) as Record<string, Row>

export function laneRow<Row>(name: string, row: Row): Record<string, Row> {
  const rows = laneRows<Row>()
  rows[name] = row
  return rows
}
