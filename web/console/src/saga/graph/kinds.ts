import type { GraphStep } from './model.ts'
import type { words } from './words.ts'

type Word = keyof (typeof words)['en']

/** icons are the shapes of the kinds of steps, 16 by 16. */
const icons: Readonly<Record<string, string>> = {
  call:
    'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11' +
    'M8 2.5c2 1.6 2.6 3.4 2.6 5.5S10 11.9 8 13.5C6 11.9 5.4 10.1 5.4 8S6 4.1 8 2.5',
  message: 'M2 4h12v8H2zM2 4l6 5 6-5',
  worker:
    'M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM8 2v2M8 12v2M2 8h2M12 8h2' +
    'M3.8 3.8l1.4 1.4M10.8 10.8l1.4 1.4M3.8 12.2l1.4-1.4M10.8 5.2l1.4-1.4',
  subSaga: 'M2.5 3.5h8v6h-8zM5.5 9.5v3h8v-6h-3',
  timer: 'M8 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM8 6v2.7l1.8 1.3M6.5 1.5h3',
  signal:
    'M8 8.2v5.3M8 6.6a.8.8 0 1 0 0-.001M5.4 9.2a3.8 3.8 0 0 1 0-5.3M10.6 3.9a3.8 3.8 0 0 1 0 5.3' +
    'M3.4 11a6.5 6.5 0 0 1 0-9M12.6 2a6.5 6.5 0 0 1 0 9',
  approval:
    'M6.5 7.2a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8zM2 13.5c0-2.7 1.8-4 4.5-4 ' +
    '.7 0 1.3.1 1.9.3M10 11.5l1.5 1.5 2.7-3',
  choice: 'M8 2l6 6-6 6-6-6zM8 6v2.3M8 10.4v.1',
}

const seata: Readonly<Record<string, string>> = {
  ServiceTask: 'worker',
  ScriptTask: 'worker',
  SubStateMachine: 'subSaga',
  CompensateSubMachine: 'subSaga',
  Choice: 'choice',
  CompensationTrigger: 'undo',
  Succeed: 'good',
  Fail: 'bad',
  Parallel: 'fork',
  Fork: 'fork',
  Join: 'fork',
}

const shapes: Readonly<Record<string, string>> = {
  undo: 'M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6',
  good: 'M3 8.5l3.5 3.5L13 5',
  bad: 'M4 4l8 8M12 4l-8 8',
  fork: 'M8 2v4M8 6l-4 4v4M8 6l4 4v4',
}

/** iconOf is the icon of a kind, of either language. */
export function iconOf(kind: string): string {
  const like = seata[kind] ?? ''
  return icons[kind] ?? icons[like] ?? shapes[like] ?? 'M8 3.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z'
}

/** kindWord is the word for a kind; states of Seata are called as there, which is no word of the dictionary. */
export function kindWord(kind: string): Word | undefined {
  return kind in icons ? (kind as Word) : undefined
}

/** isSub says whether a step runs another saga, whose steps can be unfolded. */
export function isSub(step: GraphStep): boolean {
  return step.kind === 'subSaga' || step.kind === 'SubStateMachine'
}
