import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useWords } from '@/i18n'
import { count, span } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { words as shared } from '@/shared/words.ts'
import classes from './jobs.module.css'
import { changesOf, takesMs, type Job } from './progress.ts'
import { words } from './words.ts'

/** Plan says what a job would do, before anything is done. */
export function Plan({ job }: { job: Job }) {
  const t = useWords(words)
  const status = useWords(shared)
  const sample = job.sample ?? []
  const name = (text: string) => status(text as keyof (typeof shared)['en'])
  return (
    <>
      <dl className={classes['facts']}>
        <Fact name={t('factTotal')} value={count(job.total ?? 0)} />
        <Fact name={t('factRefused')} value={count(job.refused ?? 0)} />
        <Fact name={t('factCalls')} value={count(job.calls ?? 0)} />
        <Fact name={t('factRows')} value={count(job.rows ?? 0)} />
        {(job.leaves ?? 0) > 0 && <Fact name={t('factLeaves')} value={count(job.leaves ?? 0)} tone="warn" />}
        <Fact name={t('factTakes')} value={span(takesMs(job))} />
      </dl>
      {(job.refused ?? 0) > 0 && <Note tone="idle">{t('factRefusedHelp')}</Note>}
      {job.more && <Note tone="warn">{t('more')}</Note>}
      {job.total === 0 && <Note tone="warn">{t('nothing')}</Note>}
      {sample.length > 0 && (
        <div>
          <Text size="xs" c="dimmed" mb={2}>
            {t('changes', { count: sample.length })}
          </Text>
          <ul className={classes['changes']}>
            {changesOf(sample).map((each) => (
              <li key={`${each.from} ${each.to} ${each.heuristic}`}>
                <strong className="num">{each.count}</strong> ·{' '}
                {t('becomes', { from: name(each.from), to: name(each.to) })}
              </li>
            ))}
          </ul>
        </div>
      )}
      {sample.some((plan) => plan.heuristic) && <Note tone="warn">{t('heuristic')}</Note>}
    </>
  )
}

export function Fact(props: { name: string; value: ReactNode; tone?: 'good' | 'bad' | 'warn' | undefined }) {
  return (
    <div className={classes['fact']} data-tone={props.tone}>
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  )
}

export function Note({ tone, children }: { tone: 'warn' | 'idle'; children: ReactNode }) {
  return (
    <p className={classes['note']} data-tone={tone}>
      <Icon
        path={
          tone === 'warn'
            ? 'M8 2.5l6 11H2zM8 7v3M8 12v.2'
            : 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 7.5V11M8 5v.2'
        }
        size={14}
      />
      <span>{children}</span>
    </p>
  )
}
