import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useBlocker } from 'react-router'
import type { GraphStep } from '@/saga/graph/model.ts'
import { useAgain } from './again.ts'
import type { Desk } from './desk.ts'
import { convert } from './emit.ts'
import type { Finding } from './findings.ts'
import { momentsOf, paintsAt, pathMoments, pathPaints } from './replay.ts'
import { calm, requestOf, sampleOf, type Scenario } from './scenario.ts'
import { review, simulate } from './server.ts'
import type { Simulated } from './SimulatePane.tsx'
import { asMap, type Format } from './source.ts'

/** useReview has the server look at the text whenever nobody has typed for a moment. */
export function useReview(text: string | undefined) {
  const [wanted, setWanted] = useState(text)
  useEffect(() => {
    if (text === undefined) return
    const timer = setTimeout(() => setWanted(text), 350)
    return () => clearTimeout(timer)
  }, [text])
  const query = useQuery({
    queryKey: ['designer', 'review', wanted],
    queryFn: async ({ signal }) => ({ of: wanted!, review: await review(wanted!, signal) }),
    enabled: wanted !== undefined,
    staleTime: 60_000,
    gcTime: 60_000,
    refetchOnWindowFocus: false,
    placeholderData: (was) => was,
  })
  useAgain({ error: query.error, busy: query.isFetching, act: () => void query.refetch() })
  return {
    data: query.data?.review,
    of: query.data?.of,
    pending: query.isFetching || (text !== undefined && text !== wanted),
    error: query.error,
    retry: () => void query.refetch(),
  }
}

export function useDiagnostics(desk: Desk, findings: readonly Finding[]): void {
  useEffect(() => {
    const severities = { error: 'error', warning: 'warning', hint: 'info' } as const
    const { length } = desk.state.doc
    desk.diagnose(
      findings.map((each) => ({
        from: Math.min(each.from, length),
        to: Math.min(each.to, length),
        severity: severities[each.severity],
        message: each.advice ? `${each.text}\n${each.advice}` : each.text,
        source: each.rule,
      })),
    )
  }, [desk, findings])
}

export function useCounterExample(
  explored: NonNullable<Awaited<ReturnType<typeof review>>['explored']> | undefined,
  steps: readonly GraphStep[],
  shown: boolean,
) {
  const [chosen, setChosen] = useState<number>()
  const [at, setAt] = useState(0)
  const failure = chosen === undefined ? undefined : explored?.failures?.[chosen]
  const moments = useMemo(() => pathMoments(failure?.timeline ?? [], steps), [failure, steps])
  const paints = useMemo(
    () => (shown && failure ? pathPaints(steps, moments, at, failure.step) : undefined),
    [shown, failure, steps, moments, at],
  )
  const choose = (index: number | undefined) => {
    setChosen(index)
    setAt(index === undefined ? 0 : (explored?.failures?.[index]?.timeline?.length ?? 0))
  }
  return {
    chosen: failure ? chosen : undefined,
    choose,
    moments,
    at: Math.min(at, moments.length),
    setAt,
    paints,
  }
}

export function useSimulation(desk: Desk, revision: number, steps: readonly GraphStep[], shown: boolean) {
  const [scenario, setScenario] = useState<Scenario>(() => ({
    ...calm,
    input: JSON.stringify(sampleOf(asMap(desk.snapshot().source.value)?.['input']), null, 2),
  }))
  const [simulated, setSimulated] = useState<Simulated>()
  const [at, setAt] = useState(0)
  const running = useMutation({
    mutationFn: async (asked: Scenario) => {
      return { asked, of: await simulate(requestOf(desk.text, asked)), revision: desk.snapshot().revision }
    },
    onSuccess: (done) => {
      setSimulated(done)
      setAt(done.of.result?.timeline?.length ?? 0)
    },
    onError: () => setSimulated(undefined),
  })
  const moments = useMemo(
    () => (simulated?.of.result ? momentsOf(simulated.of.result) : undefined),
    [simulated],
  )
  const paints = useMemo(
    () => (shown && moments ? paintsAt(steps, moments, at) : undefined),
    [shown, moments, steps, at],
  )
  return {
    scenario,
    setScenario,
    simulated,
    at,
    setAt,
    paints,
    run: (asked: Scenario) => running.mutate(asked),
    running: running.isPending,
    error: running.error,
    old: simulated !== undefined && simulated.revision !== revision,
  }
}

/** useHistoryKeys undoes and redoes from anywhere but fields, which have a history of their own. */
export function useHistoryKeys(desk: Desk): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || !(event.ctrlKey || event.metaKey) || event.altKey) return
      if (/^(INPUT|TEXTAREA|SELECT)$/.test((event.target as HTMLElement).tagName)) return
      const key = event.key.toLowerCase()
      const act = key === 'z' ? (event.shiftKey ? desk.redo : desk.undo) : key === 'y' ? desk.redo : undefined
      if (!act) return
      event.preventDefault()
      act()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [desk])
}

/** useFormat changes between YAML and JSON. Who goes back without having changed anything gets the text back as it
 * was. */
export function useFormat(desk: Desk, now: Format, hasComments: boolean, warn: () => void) {
  const before = useRef<{ from: string; to: string }>(undefined)
  const change = (to: Format) => {
    const { source } = desk.snapshot()
    if (source.value === undefined) return
    const back = before.current?.to === source.text ? before.current.from : undefined
    const next = back ?? convert(source.value, to)
    before.current = { from: source.text, to: next }
    desk.replaceAll(next)
  }
  return {
    convert: change,
    ask: (to: Format) => {
      if (to === now) return
      if (to === 'json' && hasComments) warn()
      else change(to)
    },
  }
}

/** useLeaving saves before one goes elsewhere, and asks if that is impossible. */
export function useLeaving(dirty: boolean, flush: () => Promise<boolean>) {
  const blocker = useBlocker(
    ({ currentLocation, nextLocation }) => dirty && currentLocation.pathname !== nextLocation.pathname,
  )
  const [asking, setAsking] = useState(false)
  const blocked = blocker.state === 'blocked'
  useEffect(() => {
    if (!blocked) return
    let gone = false
    void flush().then((all) => {
      if (gone) return
      if (all) blocker.proceed?.()
      else setAsking(true)
    })
    return () => {
      gone = true
    }
    // Once for each time that somebody wants to leave.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [blocked])
  if (!asking || !blocked) return undefined
  return {
    stay: () => {
      setAsking(false)
      blocker.reset?.()
    },
    go: () => {
      setAsking(false)
      blocker.proceed?.()
    },
  }
}
