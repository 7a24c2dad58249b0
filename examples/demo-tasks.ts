// The tasks of `npm run demo`: real tools on the files of examples/data, with recorded answers of a model
// (examples/conversations, one file a task, found by the task's text).

export interface DemoTask {
  readonly title: string
  readonly text: string
  readonly agent: string
  readonly mode: 'code' | 'tools'
  /** Explains the task to the viewer of the demo. */
  readonly explains: string
}

export const demoTasks: readonly DemoTask[] = [
  {
    title: 'Code mode: a tool in a loop',
    text: 'In orders.csv, how much money did the paid orders of each region bring in (North, South, East, West), and which region leads?',
    agent: 'default',
    mode: 'code',
    explains:
      'The model writes Python. It calls query_table in a loop; the variables are still there in the second step.',
  },
  {
    title: 'Tools mode: parallel calls',
    text: 'From climate.json (cities.<name>), compare Lisbon, Oslo and Winnipeg: which of them has the largest difference between January and July?',
    agent: 'default',
    mode: 'tools',
    explains:
      'The model asks for three values in one turn. They are read in parallel and joined before it goes on.',
  },
  {
    title: 'A tool fails, the agent recovers',
    text: 'How many pieces of K-100, K-200 and K-300 are in the warehouse? Where the warehouse does not answer, use the last count in products.csv and say so.',
    agent: 'default',
    mode: 'tools',
    explains:
      'The warehouse does not answer for K-200. The model is told, and reads the last count from a file instead.',
  },
  {
    title: 'A lead asks two agents',
    text: 'Which product brought in most by paid orders in the East, and how many blenders and toasters did we count last? Ask the agents for sales and for stock.',
    agent: 'lead',
    mode: 'tools',
    explains:
      'The agent has no tools of its own. It asks two others in one turn; each answers in a task of its own.',
  },
]
