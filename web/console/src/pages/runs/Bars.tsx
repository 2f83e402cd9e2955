import { useMemo, useState } from 'react'
import { Switch } from '@mantine/core'
import { useWords } from '@/i18n'
import { absolute, span } from '@/i18n/format.ts'
import { paintTone } from '@/saga/graph'
import { words as graphWords } from '@/saga/graph/words.ts'
import { useNow } from '@/shared/When.tsx'
import { barsOf, scaleOf, ticksOf, type Attempt, type Bar, type Scale, type Span } from './bars.ts'
import type { Run } from './paint.ts'
import classes from './runs.module.css'
import { words } from './words.ts'

export interface BarsProps {
  readonly run: Run
  readonly selected: string | undefined
  readonly onSelect: (path: string) => void
}

/** Bars shows the steps of a run over time. The list of events says the same in words. */
export function Bars({ run, selected, onSelect }: BarsProps) {
  const t = useWords(words)
  const live = useNow()
  const [failed, setFailed] = useState(false)
  const bars = useMemo(() => barsOf(run), [run])
  const began = Date.parse(run.beganAt ?? '')
  const scale = scaleOf(bars, began, run.endedAt ? Date.parse(run.endedAt) : live)
  const shown = failed ? bars.filter(hasFailed) : bars
  return (
    <div className={classes['bars']}>
      <div className={classes['barsTools']}>
        <span className={classes['legend']}>
          <i data-kind="forward" /> {t('forward')} <i data-kind="undo" /> {t('undoing')}
        </span>
        <Switch size="xs" label={t('onlyFailed')} checked={failed} onChange={() => setFailed(!failed)} />
      </div>
      <div className={classes['axis']} aria-hidden="true">
        {ticksOf(scale.to - scale.from).map((tick) => (
          <span
            key={tick}
            style={{ left: `${(100 * tick) / (scale.to - scale.from)}%` }}
            data-late={tick > 0.85 * (scale.to - scale.from) || undefined}
          >
            {tick === 0 ? '0' : `+${span(tick)}`}
          </span>
        ))}
      </div>
      <ul className={classes['barList']}>
        {shown.map((bar) => (
          <Row
            key={bar.branch}
            bar={bar}
            scale={scale}
            on={bar.id === selected}
            pick={() => onSelect(bar.id)}
          />
        ))}
      </ul>
    </div>
  )
}

function hasFailed(bar: Bar): boolean {
  return [...bar.forward.attempts, ...(bar.undo?.attempts ?? [])].some((attempt) => !attempt.good)
}

function Row({ bar, scale, on, pick }: { bar: Bar; scale: Scale; on: boolean; pick: () => void }) {
  const g = useWords(graphWords)
  return (
    <li className={classes['barRow']} data-on={on || undefined}>
      <button type="button" className={classes['barName']} onClick={pick} aria-pressed={on} title={bar.name}>
        <span className="clip">{bar.name}</span>
        <span className={classes['barState']} data-tone={paintTone(bar.state)}>
          {g(bar.state)}
        </span>
      </button>
      <div className={classes['lane']}>
        <Stretch part={bar.forward} scale={scale} kind="forward" tone={forwardTone(bar)} />
        {bar.undo && <Stretch part={bar.undo} scale={scale} kind="undo" tone={paintTone(bar.state)} />}
      </div>
    </li>
  )
}

function forwardTone(bar: Bar): string {
  return bar.undo ? 'good' : paintTone(bar.state)
}

function Stretch({ part, scale, kind, tone }: { part: Span; scale: Scale; kind: string; tone: string }) {
  const from = scale.at(part.from)
  const to = scale.at(part.to ?? scale.to)
  const length = span((part.to ?? scale.to) - part.from)
  return (
    <>
      <span
        className={classes['bar']}
        data-kind={kind}
        data-tone={tone}
        data-open={part.to === undefined || undefined}
        style={{ left: `${100 * from}%`, width: `max(4px, ${100 * (to - from)}%)` }}
        title={`${absolute(part.from)} · ${length}`}
      />
      {part.attempts
        .filter((attempt) => !attempt.good)
        .map((attempt, i) => (
          <Fault key={i} attempt={attempt} left={100 * scale.at(attempt.at)} />
        ))}
    </>
  )
}

function Fault({ attempt, left }: { attempt: Attempt; left: number }) {
  const t = useWords(words)
  return (
    <span
      className={classes['fault']}
      style={{ left: `${left}%` }}
      title={t('failedAttempt', { n: attempt.attempt ?? '?', text: attempt.text })}
      aria-hidden="true"
    >
      ✕
    </span>
  )
}
