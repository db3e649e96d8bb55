"""Between GMII octets and the pins of a PHY: RGMII, GMII and MII, MDIO, start-up."""
