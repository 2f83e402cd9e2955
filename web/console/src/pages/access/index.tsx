import { Tabs } from '@mantine/core'
import { useSearchParams } from 'react-router'
import { useMay, useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { Empty } from '@/shared/Empty.tsx'
import { Page } from '@/shared/Page.tsx'
import classes from './access.module.css'
import { Keys } from './Keys.tsx'
import { Me } from './Me.tsx'
import { Signins } from './Signins.tsx'
import { words } from './words.ts'

const tabs = ['keys', 'signins', 'me'] as const

/** Access shows who may come in, who has, and what they may do. */
export default function Access() {
  const t = useWords(words)
  const me = useMe()
  const admin = useMay('admin')
  const [query, setQuery] = useSearchParams()
  const dev = me.data?.kind === 'developer'
  const tab = tabs.find((each) => each === query.get('tab')) ?? (admin && !dev ? 'keys' : 'me')
  const closed = dev ? (
    <Empty title={t('dev')} text={t('devHelp')} />
  ) : admin ? undefined : (
    <Empty title={t('onlyAdmin')} />
  )
  return (
    <Page title={t('title')}>
      <Tabs value={tab} keepMounted={false} onChange={(next) => setQuery(next ? { tab: next } : {})}>
        <Tabs.List aria-label={t('sections')}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(each)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <div className={`card ${classes['panel']}`}>
          <Tabs.Panel value="keys">{closed ?? <Keys />}</Tabs.Panel>
          <Tabs.Panel value="signins">{closed ?? <Signins />}</Tabs.Panel>
          <Tabs.Panel value="me">
            <Me />
          </Tabs.Panel>
        </div>
      </Tabs>
    </Page>
  )
}
