import { Tooltip } from '@mantine/core'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { span } from '@/i18n/format.ts'
import classes from './StatusBadge.module.css'
import { Icon } from './Icon.tsx'
import { words } from './words.ts'

/** Tone is what a state means to a person; colour and shape follow it. */
export type Tone = 'good' | 'bad' | 'warn' | 'work' | 'undo' | 'idle'

const shapes: Record<Tone, string> = {
  good: 'M3 8.5l3.5 3.5L13 5',
  bad: 'M4 4l8 8M12 4l-8 8',
  warn: 'M8 2.5l6 11H2zM8 7v3M8 12v.2',
  work: 'M8 2a6 6 0 1 1-6 6M2 4v4h4',
  undo: 'M6 3L2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H6',
  idle: 'M8 3.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z',
}

/** Mark is a state in words with a shape and a colour, so that it is never told by colour alone. */
export function Mark({ tone, text, help }: { tone: Tone; text: string; help?: string | undefined }) {
  const mark = (
    <span className={classes['mark']} data-tone={tone} tabIndex={help ? 0 : undefined}>
      <Icon path={shapes[tone]} size={12} />
      {text}
    </span>
  )
  return help ? (
    <Tooltip label={help} multiline maw={340} events={{ hover: true, focus: true, touch: true }}>
      {mark}
    </Tooltip>
  ) : (
    mark
  )
}

const tones: Record<Schemas['Status'], Tone> = {
  Active: 'work',
  Committing: 'work',
  RollingBack: 'undo',
  Committed: 'good',
  RolledBack: 'undo',
}

/** toneOf returns the tone of a transaction's status. */
export function toneOf(status: Schemas['Status']): Tone {
  return tones[status]
}

/** Lateness is how long a run has gone on after its deadline, and whether it is decided by now. */
export interface Lateness {
  readonly millis: number
  readonly over: boolean
}

/** latenessOf is that of a run of a saga; undefined if it is not late. */
export function latenessOf(run: Schemas['SagaRunItem']): Lateness | undefined {
  return run.late ? { millis: run.lateMs ?? 0, over: run.decidedAt !== undefined } : undefined
}

/** StatusBadge shows the status of a transaction, and that it is stuck, heuristic or late if it is. */
export function StatusBadge(props: {
  status?: Schemas['Status'] | undefined
  stuck?: boolean | undefined
  heuristic?: boolean | undefined
  late?: Lateness | undefined
}) {
  const t = useWords(words)
  if (!props.status) return <span className="dim">{t('empty')}</span>
  return (
    <span className={classes['marks']}>
      <Mark tone={toneOf(props.status)} text={t(props.status)} />
      {props.stuck && <Mark tone="bad" text={t('stuck')} />}
      {props.heuristic && <Mark tone="warn" text={t('heuristic')} help={t('heuristicHelp')} />}
      {props.late && (
        <Mark
          tone="warn"
          text={t('late')}
          help={t(props.late.over ? 'lateOver' : 'lateLive', { time: span(props.late.millis) })}
        />
      )}
    </span>
  )
}
