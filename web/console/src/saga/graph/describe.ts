import { say } from '@/i18n'
import { span } from '@/i18n/format.ts'
import { kindWord } from './kinds.ts'
import type { GraphEdge, GraphModel, GraphStep } from './model.ts'
import type { Paint } from './paint.ts'
import { words } from './words.ts'

/** kindText is what a kind of step is called. */
export function kindText(kind: string): string {
  const word = kindWord(kind)
  return word ? say(words, word) : kind
}

/** describe says of a step what the graph shows of it, in words. */
export function describe(step: GraphStep, paint: Paint | undefined): string {
  const parts = [
    step.title && step.title !== step.id ? `${step.title} (${step.id})` : step.id,
    kindText(step.kind),
  ]
  if (step.target) parts.push(step.target)
  if (step.pivot) parts.push(say(words, 'pivot'))
  if (step.when) parts.push(say(words, 'whenIs', { condition: step.when }))
  if (step.forEach) parts.push(say(words, 'loopOf', { list: step.forEach }))
  if (step.compensate) parts.push(say(words, 'undo', { kind: kindText(step.compensate) }))
  return [...parts, ...paintTexts(paint)].join(', ')
}

/** paintTexts says what is painted on a step; without its state if that is shown already. */
export function paintTexts(paint: Paint | undefined, stateShown = false): string[] {
  if (!paint) return []
  const out: string[] = []
  if (paint.current) out.push(say(words, 'current'))
  if (paint.state && !stateShown) out.push(say(words, paint.state))
  if (paint.note) out.push(paint.note)
  if (paint.byHand) out.push(say(words, 'byHand'))
  if (paint.took) out.push(say(words, 'took', { way: paint.took }))
  if (paint.items) out.push(say(words, paint.items.failed ? 'itemsFailed' : 'items', { ...paint.items }))
  if (paint.attempts && paint.attempts > 1) out.push(say(words, 'attempts', { n: paint.attempts }))
  if (paint.durationMs !== undefined) out.push(span(paint.durationMs))
  if (paint.change) out.push(say(words, paint.change))
  if (paint.failure) out.push(paint.failure)
  for (const n of paint.positions ?? []) out.push(say(words, 'position', { n }))
  if (paint.findings) out.push(`${say(words, paint.findings.severity)}: ${paint.findings.texts.join('; ')}`)
  return out
}

/** comesAfter says when a step begins. */
export function comesAfter(model: GraphModel, id: string): string {
  const into = model.edges.filter((edge) => edge.to === id)
  if (into.length === 0) return say(words, 'afterStart')
  return say(words, 'after', { steps: into.map(edgeText).join(', ') })
}

function edgeText(edge: GraphEdge): string {
  if (edge.kind === 'case') return say(words, 'viaCase', { step: edge.from, way: edge.label ?? '' })
  if (edge.kind === 'undo') return say(words, 'viaUndo', { step: edge.from })
  if (edge.kind === 'refused') return say(words, 'viaRefused', { step: edge.from })
  return edge.from
}
