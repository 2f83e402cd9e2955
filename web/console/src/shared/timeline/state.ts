import { useCallback, useEffect, useRef, useState } from 'react'
import { useSearchParams } from 'react-router'
import { viewOf, viewText, type View } from './scale.ts'

/** TimelineState is what people have chosen of a timeline; it is kept in the address. */
export interface TimelineState {
  readonly view: View
  readonly failedOnly: boolean
  readonly shortGaps: boolean
  readonly folded: ReadonlySet<string>
  /** The item that is kept shown. */
  readonly chosen: string
}

/** stateOf reads what stateInto has written. */
export function stateOf(params: URLSearchParams): TimelineState {
  return {
    view: viewOf(params.get('view')),
    failedOnly: params.get('failed') === '1',
    shortGaps: params.get('gaps') !== 'true',
    folded: new Set((params.get('fold') ?? '').split(',').filter(Boolean)),
    chosen: params.get('item') ?? '',
  }
}

/** stateInto writes a state into an address; what is as at first is left out. */
export function stateInto(params: URLSearchParams, state: TimelineState): URLSearchParams {
  const next = new URLSearchParams(params)
  const put = (name: string, value: string | undefined) => (value ? next.set(name, value) : next.delete(name))
  put('view', viewText(state.view))
  put('failed', state.failedOnly ? '1' : '')
  put('gaps', state.shortGaps ? '' : 'true')
  put('fold', [...state.folded].join(','))
  put('item', state.chosen)
  return next
}

/** How long after the last change the address follows: browsers refuse many changes at once. */
const addressAfter = 250

/** useTimelineState keeps it, and has the address follow. */
export function useTimelineState(): [TimelineState, (change: Partial<TimelineState>) => void] {
  const [params, setParams] = useSearchParams()
  const [state, setState] = useState(() => stateOf(params))
  const latest = useRef({ params, setParams })
  latest.current = { params, setParams }
  useEffect(() => {
    const timer = setTimeout(() => {
      const now = latest.current
      const next = stateInto(now.params, state)
      if (next.toString() !== now.params.toString())
        now.setParams(next, { replace: true, preventScrollReset: true })
    }, addressAfter)
    return () => clearTimeout(timer)
  }, [state])
  return [state, useCallback((part) => setState((was) => ({ ...was, ...part })), [])]
}
