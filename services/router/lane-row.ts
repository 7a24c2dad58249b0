/**
 * A row of the lane that is named by its task. V8 makes a hidden class for each new name in a literal, which costs more
 * than the rest of a small decision; an object without a prototype is a dictionary and has none.
 */
export function laneRow<Row>(name: string, row: Row): Record<string, Row> {
  const rows = Object.create(null) as Record<string, Row>
  rows[name] = row
  return rows
}
