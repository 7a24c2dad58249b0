import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readExchange } from '../../../runtime/scripted-model/exchange.ts'
import { recordedScript } from '../../../runtime/scripted-model/script.ts'

const read = (...said: readonly [role: string, content: string][]) =>
  readExchange({ model: 'any', messages: said.map(([role, content]) => ({ role, content })) })

test('a turn of a conversation is that of the last message with a marker; what was said before is apart', () => {
  const { task, taskMark, turn, observations, earlier } = read(
    ['system', 'You help.'],
    ['user', 'do task=a'],
    ['assistant', 'done a'],
    ['user', 'do task=b'],
    ['assistant', 'calls'],
    ['tool', 'a result'],
  )
  assert.deepEqual([task, taskMark, turn], ['do task=a', 'b', 1])
  assert.deepEqual([observations, earlier], ['a result', 'do task=a\ndone a'])
})

test('of messages that arrive as one, the last marker counts', () => {
  assert.equal(read(['user', 'do task=a latency=5\n\ndo task=b latency=7']).taskMark, 'b')
  assert.equal(read(['user', 'task=a']).taskMark, 'a')
})

test('without a marker every answer is one of the task', () => {
  const { taskMark, turn, earlier } = read(
    ['user', 'one'],
    ['assistant', '1'],
    ['user', 'two'],
    ['assistant', '2'],
  )
  assert.deepEqual([taskMark, turn, earlier], [null, 2, ''])
})

test('in a session each recorded task is played from its beginning', () => {
  const script = recordedScript(
    ['one', 'two'].map((task) => ({
      title: task,
      task: `Ask ${task}`,
      mode: 'tools' as const,
      turns: [{ text: `${task} begins` }, { text: `${task} ends`, needs: [`found by ${task}`] }],
    })),
  )
  const begun: [string, string][] = [
    ['user', 'Ask one'],
    ['assistant', 'one begins'],
    ['tool', 'found by one'],
    ['assistant', 'one ends'],
    ['user', 'Ask two'],
  ]
  assert.match(script(read(...begun))?.text ?? '', /^two begins/)
  const gone: [string, string][] = [...begun, ['assistant', 'two begins'], ['tool', 'found by two']]
  assert.match(script(read(...gone))?.text ?? '', /^two ends/)
})
