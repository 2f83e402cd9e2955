import type { Size } from './layout.ts'
import type { GraphStep } from './model.ts'

/** hasTraits says whether a step has a line for what is special about it. */
export function hasTraits(step: GraphStep): boolean {
  return !!(
    step.pivot ||
    step.when ||
    step.forEach ||
    step.repeat ||
    step.onRefused === 'continue' ||
    step.compensate
  )
}

const width = 228
const lines = { head: 54, traits: 24, state: 27 }

/** sizeOf is the room that a step takes; SagaGraph.module.css has the same heights. */
export function sizeOf(step: GraphStep, painted: boolean): Size {
  return { width, height: lines.head + (hasTraits(step) ? lines.traits : 0) + (painted ? lines.state : 0) }
}
