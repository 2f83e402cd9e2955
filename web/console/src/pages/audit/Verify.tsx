import { Button, CloseButton, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api, ask, type Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { Mark } from '@/shared/StatusBadge.tsx'
import { Copy } from '@/shared/Xid.tsx'
import classes from './audit.module.css'
import { words } from './words.ts'

export interface Noted {
  seq: number
  hash: string
}

/** verifyAll reads the chain from its beginning to its end, in as many requests as it takes. */
async function verifyAll(
  noted: Noted | undefined,
  tell: (n: number) => void,
): Promise<Schemas['JournalReport']> {
  let entries = 0
  let after: number | undefined
  for (;;) {
    const query = { ...noted, ...(after === undefined ? {} : { after }) }
    const report = await ask(api.GET('/api/v1/journal/verify', { params: { query } }))
    entries += report.entries ?? 0
    tell(entries)
    if (!report.whole || !report.next) return { ...report, entries }
    after = report.next
  }
}

/** useVerify checks the chain of hashes. */
export function useVerify() {
  const [n, setN] = useState(0)
  const run = useMutation({ mutationFn: (noted: Noted | undefined) => verifyAll(noted, setN) })
  return { run, n }
}

/** Report says that the chain is whole, or where it breaks. */
export function Report({ verify, onClose }: { verify: ReturnType<typeof useVerify>; onClose: () => void }) {
  const t = useWords(words)
  const { run, n } = verify
  const report = run.data
  if (run.isIdle) return null
  const whole = report?.whole
  return (
    <section className={`card ${classes['report']}`} aria-label={t('verify')} role="status">
      <div className={classes['reportHead']}>
        {run.isPending && <span>{t('verifying', { n: count(n) })}</span>}
        {report && (
          <Mark
            tone={whole ? 'good' : 'bad'}
            text={whole ? t('whole') : t('broken', { seq: report.seq ?? 0 })}
          />
        )}
        <CloseButton size="sm" aria-label={t('close')} onClick={onClose} />
      </div>
      {run.error && <ErrorBox error={run.error} />}
      {report && whole && (
        <p>{t('wholeText', { n: count(report.entries ?? 0), last: count(report.last ?? 0) })}</p>
      )}
      {report && !whole && <p className={classes['fault']}>{report.fault}</p>}
      {report && whole && report.hash && (
        <p className={classes['hash']}>
          <span className="mono">{report.hash}</span> <Copy text={`${report.last} ${report.hash}`} />
          <span className="dim">{t('noteIt')}</span>
        </p>
      )}
      {!run.isPending && <NotedForm onGo={(noted) => run.mutate(noted)} />}
    </section>
  )
}

function NotedForm({ onGo }: { onGo: (noted: Noted) => void }) {
  const t = useWords(words)
  const [seq, setSeq] = useState('')
  const [hash, setHash] = useState('')
  const ready = /^\d+$/.test(seq.trim()) && hash.trim() !== ''
  return (
    <details className={classes['noted']}>
      <summary>{t('noted')}</summary>
      <form
        className={classes['notedForm']}
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) onGo({ seq: Number(seq), hash: hash.trim() })
        }}
      >
        <TextInput
          size="xs"
          label={t('notedSeq')}
          value={seq}
          onChange={(e) => setSeq(e.currentTarget.value)}
        />
        <TextInput
          size="xs"
          label={t('notedHash')}
          value={hash}
          className={classes['grow']!}
          classNames={{ input: 'mono' }}
          onChange={(e) => setHash(e.currentTarget.value)}
        />
        <Button type="submit" size="xs" variant="default" disabled={!ready}>
          {t('compare')}
        </Button>
      </form>
    </details>
  )
}
