import { Text } from '@mantine/core'
import type { Schemas } from '@/api/client.ts'
import { useWords } from '@/i18n'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import classes from './sagas.module.css'
import { words } from './words.ts'

const tones: Record<string, Tone> = { error: 'bad', warning: 'warn', hint: 'idle' }

/** Findings lists what was found in a definition: where, what, and what to do. */
export function Findings({ findings }: { findings: readonly Schemas['SagaFinding'][] | undefined }) {
  const t = useWords(words)
  if (!findings?.length) return <Text c="dimmed">{t('noFindings')}</Text>
  return (
    <ul className={classes['findings']} aria-label={t('findings')}>
      {findings.map((finding, i) => (
        <li key={i}>
          <Mark tone={tones[finding.severity ?? ''] ?? 'idle'} text={t(finding.severity ?? 'hint')} />
          <div className={classes['finding']}>
            <span>{finding.text}</span>
            {finding.advice && <span className="dim"> {finding.advice}</span>}
            <div className={`dim ${classes['place']}`}>
              {finding.line ? `${t('place', { line: finding.line, column: finding.column ?? 1 })} · ` : ''}
              <span className="mono">{finding.rule}</span>
              {finding.path && <span className="mono"> {finding.path}</span>}
            </div>
          </div>
        </li>
      ))}
    </ul>
  )
}
