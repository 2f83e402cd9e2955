import { useWords } from '@/i18n'
import { count } from '@/i18n/format.ts'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import classes from './Panes.module.css'
import type { Finding, Severity } from './findings.ts'
import { words } from './words.ts'

const tones: Record<Severity, Tone> = { error: 'bad', warning: 'warn', hint: 'idle' }

/** FindingsPane lists what was found; a finding leads to its place in the text. */
export function FindingsPane(props: {
  findings: readonly Finding[]
  checked: boolean
  /** How many paths end badly, which is no finding in the text. */
  bad?: number | undefined
  onJump: (finding: Finding) => void
}) {
  const t = useWords(words)
  if (props.findings.length === 0) {
    return (
      <p className={classes['none']} role="status">
        {!props.checked ? (
          t('checking')
        ) : props.bad ? (
          <Mark tone="warn" text={t('nothingButPaths')} />
        ) : (
          <Mark tone="good" text={t('nothingFound')} />
        )}
      </p>
    )
  }
  return (
    <ul className={classes['findings']} aria-label={t('findings')}>
      {props.findings.map((each, i) => (
        <li key={i}>
          <button type="button" className={classes['finding']} onClick={() => props.onJump(each)}>
            <span className={classes['findingWhat']}>
              <Mark tone={tones[each.severity]} text={t(each.severity)} />
              <code className={classes['rule']}>{each.rule}</code>
              <span className="dim num">
                {t('lineColumn', { line: count(each.line), column: each.column })}
              </span>
              {each.step && <span className="mono">{each.step}</span>}
            </span>
            <span className={classes['findingText']}>{each.text}</span>
            {each.advice && <span className="dim">{each.advice}</span>}
          </button>
        </li>
      ))}
    </ul>
  )
}
