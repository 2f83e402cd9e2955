import { Button } from '@mantine/core'
import { lazy, Suspense, useState } from 'react'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import type { Action } from '@/shared/actions/model.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { MayButton } from '@/shared/May.tsx'
import { lettersAction } from './acts.ts'
import { useClaim } from './ClaimBox.tsx'
import classes from './inbox.module.css'
import { kindOfAll, nameOf, type Claim, type Item } from './items.ts'
import { words } from './words.ts'

const JobDialog = lazy(() => import('@/pages/jobs/JobDialog.tsx').then((all) => ({ default: all.JobDialog })))

interface BulkProps {
  items: readonly Item[]
  claims: ReadonlyMap<string, Claim>
  act: (action: Action) => void
  onClear: () => void
}

/** Bulk acts on all that are selected: transactions become a job, dead letters are sent one by one. */
export function Bulk({ items, claims, act, onClear }: BulkProps) {
  const t = useWords(words)
  const [job, setJob] = useState(false)
  const { take } = useClaim()
  const kind = kindOfAll(items)
  const ids = items.map((item) => item.id)
  const n = count(items.length)
  const free = items.filter((item) => !claims.has(nameOf(item)))
  const takeAll = async () => {
    for (const item of free) await take.mutateAsync({ item: nameOf(item), note: '', takeOver: false })
  }
  return (
    <div className={classes['bulk']} role="region" aria-label={t('selected', { n })}>
      <strong role="status">{t('selected', { n })}</strong>
      <Button size="compact-xs" variant="subtle" color="gray" onClick={onClear}>
        {t('unselect')}
      </Button>
      <span className={classes['grow']}>{!kind && <span className="dim">{t('oneKind')}</span>}</span>
      {free.length > 0 && (
        <MayButton
          role="operator"
          size="xs"
          variant="default"
          loading={take.isPending}
          onClick={() => void takeAll().catch(() => undefined)}
        >
          {t('takeAll')}
        </MayButton>
      )}
      {kind === 'transaction' && (
        <MayButton role="operator" size="xs" onClick={() => setJob(true)}>
          {t('retryAll', { n })}
        </MayButton>
      )}
      {kind === 'letter' && (
        <>
          <MayButton
            role="resolver"
            size="xs"
            variant="default"
            onClick={() => act(lettersAction(ids, 'discard'))}
          >
            {t('discardAll', { n })}
          </MayButton>
          <MayButton role="operator" size="xs" onClick={() => act(lettersAction(ids, 'replay'))}>
            {t('replayAll', { n })}
          </MayButton>
        </>
      )}
      {take.error && <ErrorBox error={take.error} />}
      {job && (
        <Suspense>
          <JobDialog action="retry" target={{ xids: ids }} onClose={() => setJob(false)} />
        </Suspense>
      )}
    </div>
  )
}
