// The pages of the console, in the order of the navigation. Paths must be among api/console.ts.
import type { FunctionComponent } from 'preact'
import type { Scope } from '../../api/scopes.ts'
import { ChatPage } from './chat/page.tsx'
import { ComparePage } from './compare/page.tsx'
import { CostPage } from './cost/page.tsx'
import { EvaluationsPage } from './evaluations/page.tsx'
import { RunPage } from './evaluations/run.tsx'
import { FleetPage } from './fleet/page.tsx'
import { InboxPage } from './inbox/page.tsx'
import { waiting } from './inbox/waiting.ts'
import { NewTaskPage } from './new/page.tsx'
import type { IconName } from './shell/icons.tsx'
import { TaskPage } from './task/page.tsx'
import { TasksPage } from './tasks/page.tsx'

export interface PageProps {
  /** Values of the path's parameters. */
  readonly params: Readonly<Record<string, string>>
}

export interface Page {
  readonly paths: readonly string[]
  readonly title: (params: PageProps['params']) => string
  /** Shown only to viewers who have it. */
  readonly scope: Scope
  readonly component: FunctionComponent<PageProps>
  /** Its line in the navigation; absent: reached by links alone. */
  readonly nav?: {
    readonly label: string
    /** In its place on a phone. */
    readonly short?: string
    readonly icon: IconName
    readonly key: string
    /** Where the line leads; default: the first path. */
    readonly home?: string
    /** How many things there are to do on the page. */
    readonly count?: () => number
  }
}

export const pages: readonly Page[] = [
  {
    paths: ['/', '/tasks'],
    title: () => 'Tasks',
    scope: 'tasks:read',
    component: TasksPage,
    nav: { label: 'Tasks', icon: 'tasks', key: 't', home: '/tasks' },
  },
  {
    paths: ['/tasks/:id'],
    title: ({ id = '' }) => id,
    scope: 'tasks:read',
    component: TaskPage,
  },
  {
    paths: ['/compare/:id/:other'],
    title: () => 'Compare tasks',
    scope: 'tasks:read',
    component: ComparePage,
  },
  {
    paths: ['/inbox'],
    title: () => 'Inbox',
    scope: 'approvals:decide',
    component: InboxPage,
    nav: { label: 'Inbox', icon: 'inbox', key: 'i', count: () => waiting.value?.length ?? 0 },
  },
  {
    paths: ['/new'],
    title: () => 'New task',
    scope: 'tasks:submit',
    component: NewTaskPage,
    nav: { label: 'New task', short: 'New', icon: 'new', key: 'n' },
  },
  {
    paths: ['/chat', '/chat/:session'],
    title: () => 'Chat',
    scope: 'tasks:read',
    component: ChatPage,
    nav: { label: 'Chat', icon: 'chat', key: 'c' },
  },
  {
    paths: ['/fleet', '/fleet/:part'],
    title: () => 'Fleet',
    scope: 'ops:read',
    component: FleetPage,
    nav: { label: 'Fleet', icon: 'fleet', key: 'f' },
  },
  {
    paths: ['/cost', '/quality'],
    title: () => 'Cost and quality',
    scope: 'tasks:read:all',
    component: CostPage,
    nav: { label: 'Cost', icon: 'cost', key: 'u' },
  },
  {
    paths: ['/evaluations'],
    title: () => 'Evaluations',
    scope: 'tasks:read:all',
    component: EvaluationsPage,
    nav: { label: 'Evaluations', short: 'Evals', icon: 'evaluations', key: 'e' },
  },
  {
    paths: ['/evaluations/:id'],
    title: ({ id = '' }) => id,
    scope: 'tasks:read:all',
    component: RunPage,
  },
]

export const homeOf = ({ paths, nav }: Page): string => nav?.home ?? paths[0] ?? '/'
