import { Button, CopyButton } from '@mantine/core'
import { lazy, Suspense, useState } from 'react'
import { useNavigate } from 'react-router'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { actions, roleOf, type Action } from '@/pages/jobs/progress.ts'
import { words as jobWords } from '@/pages/jobs/words.ts'
import { MayButton } from '@/shared/May.tsx'
import { jobFilterOf } from './query.ts'
import type { Filter } from './search.ts'
import classes from './transactions.module.css'
import { words } from './words.ts'

const JobDialog = lazy(() => import('@/pages/jobs/JobDialog.tsx').then((all) => ({ default: all.JobDialog })))

/** pickedMax is how many transactions a job takes one by one. */
export const pickedMax = 1000

export interface BulkBarProps {
  ids: ReadonlySet<string>
  /** Whether all that match are meant, loaded or not. */
  all: boolean
  /** How many match, if that is known. */
  matching: number | undefined
  filter: Filter
  onAll: () => void
  onClear: () => void
}

/** BulkBar says what is selected, and what can be done with it as a job. */
export function BulkBar({ ids, all, matching, filter, onAll, onClear }: BulkBarProps) {
  const t = useWords(words)
  const name = useWords(jobWords)
  const navigate = useNavigate()
  const [action, setAction] = useState<Action | undefined>()
  const everything = Object.keys(filter).length === 0
  const byFilter = all && !filter.xid
  const why =
    byFilter && everything
      ? t('needsFilter')
      : !byFilter && ids.size > pickedMax
        ? t('tooMany', { count: count(pickedMax) })
        : undefined
  const two = [...ids]
  const known = matching === undefined ? undefined : { count: count(matching) }
  return (
    <div className={classes['picked']} role="region" aria-label={t('doTo')}>
      <strong role="status">
        {all
          ? known
            ? t('selectedAllOf', known)
            : t('selectedAll')
          : t('selectedSome', { count: count(ids.size) })}
      </strong>
      {!all && !filter.xid && (matching === undefined || matching > ids.size) && (
        <Button size="compact-xs" variant="subtle" onClick={onAll}>
          {known ? t('selectAllOf', known) : t('selectAll')}
        </Button>
      )}
      <Button size="compact-xs" variant="subtle" color="gray" onClick={onClear}>
        {t('unselect')}
      </Button>
      <span className={classes['spread']} />
      {!all && ids.size === 2 && (
        <Button
          size="xs"
          variant="default"
          onClick={() => void navigate(`/transactions/compare?a=${two[0]}&b=${two[1]}`)}
        >
          {t('compare')}
        </Button>
      )}
      {!all && (
        <CopyButton value={two.join('\n')}>
          {({ copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {t('copyXids')}
            </Button>
          )}
        </CopyButton>
      )}
      {actions.map((each) => (
        <MayButton
          key={each}
          role={roleOf(each)}
          reason={why}
          size="xs"
          variant={each === 'retry' ? 'filled' : 'default'}
          onClick={() => setAction(each)}
        >
          {name(each)}
        </MayButton>
      ))}
      {action && (
        <Suspense>
          <JobDialog
            action={action}
            target={byFilter ? { filter: jobFilterOf(filter) } : { xids: two }}
            onClose={() => setAction(undefined)}
          />
        </Suspense>
      )}
    </div>
  )
}
