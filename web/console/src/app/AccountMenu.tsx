import { ActionIcon, Menu, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { useMe, useSignOut } from '@/api/session.ts'
import { setLanguage, useLanguage, useWords } from '@/i18n'
import { setZone, useZone } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { words } from './words.ts'

/** useToggleScheme returns what switches between light and dark. */
export function useToggleScheme(): () => void {
  const { setColorScheme } = useMantineColorScheme()
  const shown = useComputedColorScheme('light')
  return () => setColorScheme(shown === 'dark' ? 'light' : 'dark')
}

/** AccountMenu holds who one is and how one likes to see things. */
export function AccountMenu() {
  const t = useWords(words)
  const me = useMe()
  const signOut = useSignOut()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const language = useLanguage()
  const zone = useZone()
  return (
    <Menu width={240} position="bottom-end" shadow="md">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t('account')}>
          <Icon path="M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM3 14c0-3 2-4 5-4s5 1 5 4" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {me.data && (
          <Menu.Label>
            <Text size="sm" fw={600} c="var(--c-text)">
              {t('signedInAs', { name: me.data.name ?? me.data.id ?? '' })}
            </Text>
            {t('roles', { roles: (me.data.roles ?? []).join(', ') })}
          </Menu.Label>
        )}
        <Menu.Divider />
        <Menu.Label>{t('theme')}</Menu.Label>
        {(['light', 'dark', 'auto'] as const).map((scheme) => (
          <Choice
            key={scheme}
            on={colorScheme === scheme}
            text={t(scheme)}
            pick={() => setColorScheme(scheme)}
          />
        ))}
        <Menu.Label>{t('languageMenu')}</Menu.Label>
        <Choice on={language === 'en'} text="English" pick={() => setLanguage('en')} />
        <Choice on={language === 'zh'} text="中文" pick={() => setLanguage('zh')} />
        <Menu.Label>{t('zone')}</Menu.Label>
        <Choice on={zone === 'local'} text={t('zoneLocal')} pick={() => setZone('local')} />
        <Choice on={zone === 'utc'} text={t('zoneUtc')} pick={() => setZone('utc')} />
        <Menu.Divider />
        <Menu.Item component="a" href="/docs">
          {t('apiDocs')}
        </Menu.Item>
        {me.data?.csrfToken && <Menu.Item onClick={() => void signOut()}>{t('signOut')}</Menu.Item>}
      </Menu.Dropdown>
    </Menu>
  )
}

function Choice({ on, text, pick }: { on: boolean; text: string; pick: () => void }) {
  return (
    <Menu.Item
      role="menuitemradio"
      aria-checked={on}
      closeMenuOnClick={false}
      onClick={pick}
      rightSection={on ? <Icon path="M3 8.5l3.5 3.5L13 5" size={12} /> : null}
    >
      {text}
    </Menu.Item>
  )
}
